/** A trained GPT that sorts: states recorded by its author, and Hugging Face's maps and logits. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/models/index.js";
import { readSafetensors } from "../../src/tensor/index.js";
import { expectClose, rowsOf } from "./compare.js";
import { golden as goldenPath, goldenSets } from "./where.js";

const folder = goldenPath("models/gpt-nano-sort");
for (const { id, folder: data, about } of goldenSets("gpt-nano-sort")) {
  describe.skipIf(folder === undefined)(id, async () => {
    const model = await loadModel(folder!);
    const golden = readSafetensors(readFileSync(join(data, "golden.safetensors")));
    const tol = (n: string): number => about.tensors[n].tol_abs;

    test("maps, states and logits", () => {
      const run = model.forward({ inputIds: rowsOf(golden, "idx") }, { trace: { hiddenStates: true } });
      for (const l of [0, 1, 2]) expectClose(run.trace.weights({ layer: l }), golden.tensor(`attentions.${l}`), tol(`attentions.${l}`), `map ${l}`);
      for (const l of [0, 1, 2, 3]) expectClose(run.trace.hiddenStates[l]!, golden.tensor(`hidden_states.${l}`), tol(`hidden_states.${l}`), `state ${l}`);
      expectClose(run.logits!, golden.tensor("logits"), tol("logits"), "logits");
      expectClose(run.trace.weights({ layer: 0 }), golden.tensor("recorded.attSm"), tol("recorded.attSm"), "the author's map");
      expectClose(run.lastHiddenState, golden.tensor("recorded.ln_f"), tol("recorded.ln_f"), "the author's last state");
    });

    test("every one of 729 inputs comes out sorted", async () => {
      const inputs = rowsOf(golden, "sorting.inputs");
      const out: number[][] = inputs.map(() => []);
      // The last step's token would be the context's twelfth: five are generated, the sixth is read off.
      for await (const step of model.generate(inputs, { maxNewTokens: 5, stop: [] })) step.ids.forEach((x, b) => out[b]!.push(x));
      expect(out).toEqual(rowsOf(golden, "sorting.greedy_output").map((row) => row.slice(0, 5)));
      const { logits } = model.forward({ inputIds: inputs.map((row, b) => [...row, ...out[b]!]) });
      const last = inputs.map((_, b) => {
        const row = [...logits!.data.subarray((b * 11 + 10) * 3, (b * 11 + 11) * 3)];
        return row.indexOf(Math.max(...row));
      });
      expect(last).toEqual(rowsOf(golden, "sorting.greedy_output").map((row) => row[5]));
    });
  });
}
