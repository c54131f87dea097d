/** What stands on top of a model works with every architecture: trace files, edits, generation's trace, the explorer's views of its weights. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type BlockShown, block } from "../../src/explorer/engine/block.js";
import { circuitOf } from "../../src/explorer/engine/circuits.js";
import { lensParts } from "../../src/explorer/engine/lens.js";
import { lensPathOf } from "../../src/explorer/engine/lens-path.js";
import { headProjections, layerNormOf, outputProjection } from "../../src/explorer/engine/weights.js";
import { loadModel } from "../../src/models/index.js";
import { QkRecord, readTrace, writeTrace } from "../../src/trace/index.js";
import { expectClose } from "./compare.js";
import { goldenSets } from "./where.js";

const ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];
const sets = ["gpt2", "llama", "qwen3", "starcoder2", "phi3", "gemma", "gemma2", "gemma3", "olmo2", "gpt-neox"];

for (const { id, folder } of sets.flatMap((set) => goldenSets(set).slice(0, 2))) {
  describe(id, async () => {
    const model = await loadModel(join(folder, "model"));
    const run = model.forward({ inputIds: [ids] }, { trace: { hiddenStates: true, values: true, logits: true } });
    const { trace } = run;
    const { layerCount: layers } = model;
    const last = run.logits!.data.slice(-run.logits!.shape.at(-1)!);
    const likely = last.indexOf(Math.max(...last));

    test("a trace file gives every map again", () => {
      const again = readTrace(writeTrace(trace));
      for (let layer = 0; layer < layers; layer++) {
        expectClose(again.weights({ layer }), trace.weights({ layer }), 1e-6, `layer ${layer}`);
      }
    });

    test("a head's own map given as weights changes nothing", () => {
      const edit = [{ layer: layers - 1, head: 1, weights: trace.weights({ layer: layers - 1, head: 1 }) }];
      expectClose(model.forward({ inputIds: [ids] }, { edit }).logits!, run.logits!, 2e-5, "logits");
    });

    test("the trace of a generation is that of the whole text read at once", async () => {
      const all = [...ids];
      let grown = trace;
      for await (const step of model.generate(ids, { maxNewTokens: 4, stop: [], trace: true })) {
        grown = step.trace!;
        all.push(step.id);
      }
      const whole = model.forward({ inputIds: [all.slice(0, -1)] }, { trace: true }).trace;
      for (let layer = 0; layer < layers; layer++) {
        expectClose(grown.weights({ layer }), whole.weights({ layer }), 1e-5, `layer ${layer}`);
      }
    });

    test("a block's stages end in the next hidden state", async () => {
      const context = { run: () => ({ result: { trace }, source: { model, card: { name: id } } }) };
      for (let layer = 0; layer < layers; layer++) {
        const shown = (await block({ run: 1, kind: "self", layer, token: 5 }, {}, context as never)) as BlockShown;
        expect(shown.stages.map((s) => s.id)).toContain("attention");
        expect(shown.stages.filter((s) => s.id === "add")).toHaveLength(2);
        if (layer + 1 < layers) expect(shown.off).toBeLessThan(1e-5);
      }
    });

    test("the lens ends in the model's own scores; shares of heads add up, or are not given", () => {
      const state = trace.hiddenStates.at(-1)!;
      expectClose(lensParts(model)!.read(state, true), run.logits!, 2e-5, "logits");
      const { heads, rest, logit } = lensPathOf(model, trace, ids.length - 1, likely);
      if (model.layerAt(0)!.normsAfter) return expect(heads).toEqual([]);
      expect(heads.reduce((sum, h) => sum + h.adds, rest)).toBeCloseTo(logit, 3);
    });

    test("a head's rows of the projections make the values that the trace keeps", () => {
      const record = trace.record(0) as QkRecord;
      const [, Hk, L, D] = record.values!.shape as [number, number, number, number];
      const normed = layerNormOf(model, 0)(trace.hiddenStates[0]!);
      const d = normed.shape.at(-1)!;
      for (let head = 0; head < record.heads; head++) {
        const { v, vBias } = headProjections(model, 0, head)!;
        const kept = record.values!.data.subarray(Math.floor((head * Hk) / record.heads) * L * D);
        const made = Float32Array.from({ length: L * D }, (_, n) => {
          const [i, e] = [Math.floor(n / D), n % D];
          let sum = vBias?.data[e] ?? 0;
          for (let c = 0; c < d; c++) sum += v.data[e * d + c]! * normed.data[i * d + c]!;
          return sum;
        });
        expectClose({ data: made, shape: [L, D] }, { data: kept.subarray(0, L * D), shape: [L, D] }, 1e-5, `head ${head}`);
        expect(outputProjection(model, 0, head)!.shape).toEqual([d, D]);
      }
    });

    test.each(["qk", "ov"] as const)("a head's %s circuit is read", (which) => {
      const { rows } = circuitOf(model, { layer: 0, head: 1, which, ids: [1, 2], scale: 1 }, String);
      expect(rows.every((r) => r.top.length > 0 && Number.isFinite(r.own))).toBe(true);
    });
  });
}
