/**
 * A real checkpoint, all-MiniLM-L6-v2: ids, offsets, all 72 maps, states and embeddings. Half-precision weights come with
 * the complete data; the float32 ones are read where QKV_MINILM names their folder.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadModel, type Model } from "../../src/models/index.js";
import { readSafetensors } from "../../src/tensor/index.js";
import { expectClose, rowsOf } from "./compare.js";
import { golden as goldenPath, goldenSets } from "./where.js";

const folders: Readonly<Record<string, string | undefined>> = {
  "all-MiniLM-L6-v2-f16": goldenPath("models/all-MiniLM-L6-v2-f16/model.safetensors")?.replace(/model\.safetensors$/, ""),
  "all-MiniLM-L6-v2": process.env["QKV_MINILM"],
};

const inUnits = (text: string, offset: [number, number]): [number, number] => {
  const chars = [...text];
  const unit = (n: number): number => chars.slice(0, n).join("").length;
  return [unit(offset[0]), unit(offset[1])];
};

for (const [name, folder] of Object.entries(folders)) {
  const cases = goldenSets("minilm").filter((c) => c.about.model === name);
  describe.skipIf(folder === undefined || cases.length === 0)(name, () => {
    const open = (id: string) => {
      const one = cases.find((c) => c.id.startsWith(`minilm/${id}`))!;
      const file = (n: string): Buffer => readFileSync(join(one.folder, n));
      return { golden: readSafetensors(file("golden.safetensors")), tol: (n: string): number => one.about.tensors[n].tol_abs, file };
    };
    // Weights stored in half precision are exact in the packed half-precision form as well.
    describe.each(name.endsWith("f16") ? (["f32", "f16"] as const) : (["f32"] as const))("weights held as %s", (weights) => {
      let model: Model;
      beforeAll(async () => {
        model = await loadModel(folder!, { weights });
      });

      test.skipIf(weights === "f16")("sentences: ids, offsets, every map and state", { timeout: 60000 }, () => {
        const { golden, tol, file } = open("sentences");
        const sentences = JSON.parse(file("sentences.json").toString()) as {
          name: string;
          text: string | [string, string];
          ids: number[];
          tokens: string[];
          offsets: [number, number][];
        }[];
        for (const s of sentences) {
          const [text, pair] = Array.isArray(s.text) ? s.text : [s.text, undefined];
          const run = model.read(text, { ...(pair !== undefined && { pair }), trace: { hiddenStates: true } });
          expect(run.encoding.ids).toEqual(s.ids);
          expect(run.encoding.tokens).toEqual(s.tokens);
          const from = (i: number): string => (run.encoding.sequences[i] === 1 ? pair! : text);
          expect(run.encoding.offsets).toEqual(s.offsets.map((o, i) => inUnits(from(i), o)));
          const L = s.ids.length;
          for (let layer = 0; layer < 6; layer++) {
            const want = golden.tensor(`${s.name}.attentions`).data.subarray(layer * 12 * L * L, (layer + 1) * 12 * L * L);
            const got = run.trace.weights({ layer });
            expectClose(got, { data: want, shape: [1, 12, L, L] }, tol(`${s.name}.attentions`), `${s.name} layer ${layer}`);
          }
          const states = golden.tensor(`${s.name}.hidden_states`).data;
          run.trace.hiddenStates.forEach((state, i) => {
            const want = { data: states.subarray(i * L * 384, (i + 1) * L * 384), shape: [1, L, 384] };
            expectClose(state, want, tol(`${s.name}.hidden_states`), `${s.name} state ${i}`);
          });
          if (pair === undefined) {
            expectClose(model.embed(text), golden.tensor(`${s.name}.embedding`), tol(`${s.name}.embedding`), s.name);
          }
        }
      });

      test("a batch: states, maps, embeddings", { timeout: 60000 }, () => {
        const { golden, tol, file } = open("batch");
        const texts = JSON.parse(file("texts.json").toString()) as string[];
        const attentionMask = rowsOf(golden, "attention_mask");
        const run = model.forward({ inputIds: rowsOf(golden, "input_ids"), attentionMask }, { trace: true });
        const real = (b: number, i: number): boolean => attentionMask[b]![i] === 1;
        expectClose(run.lastHiddenState, golden.tensor("last_hidden_state"), tol("last_hidden_state"), "states", (i) => real(i[0]!, i[1]!));
        expectClose(model.embed(texts), golden.tensor("embeddings"), tol("embeddings"), "embeddings");
        const L = attentionMask[0]!.length;
        for (let layer = 0; layer < 6; layer++) {
          const size = 3 * 12 * L * L;
          const want = { data: golden.tensor("attentions").data.subarray(layer * size, (layer + 1) * size), shape: [3, 12, L, L] };
          const got = { data: run.trace.weights({ layer }).data.subarray(0, size), shape: [3, 12, L, L] };
          expectClose(got, want, tol("attentions"), `layer ${layer}`);
        }
      });

      test.skipIf(weights === "f16")("a text of 296 tokens, whole and cut", { timeout: 60000 }, () => {
        const { golden, tol, file } = open("long");
        const [{ text }] = JSON.parse(file("sentences.json").toString()) as [{ text: string }];
        const run = model.read(text, { trace: true });
        expect([run.encoding.ids]).toEqual(rowsOf(golden, "input_ids"));
        expectClose(run.lastHiddenState, golden.tensor("last_hidden_state"), tol("last_hidden_state"), "states");
        const map = run.trace.weights({ layer: 5, head: 7 });
        expectClose({ data: map.data, shape: [296, 296] }, golden.tensor("attentions_layer5_head7"), tol("attentions_layer5_head7"), "map");
        expectClose(model.embed(text), golden.tensor("cut256.embedding"), tol("cut256.embedding"), "cut to 256");
      });
    });
  });
}
