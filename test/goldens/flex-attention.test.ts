/** FlexAttention (ONNX, ai.onnx.preview): a graph on the scores or the weights, here as a function or an option. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type AttentionOptions, attention } from "../../src/attention/index.js";
import { float64Tensor, ops, referenceKernel, withOperations } from "../../src/kernels/index.js";
import { readSafetensors, type Tensor } from "../../src/tensor/index.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("onnx-ops/FlexAttention");

test("there are FlexAttention cases of ONNX to compare with", () => expect(cases.length).toBeGreaterThan(0));

/** What each graph of the cases says, by its name: as a function of the score, and as the option that does the same. */
const graphs: Record<string, AttentionOptions[]> = {
  score_mod_bias: [{ scoreMod: (s) => s + 0.5 }],
  score_mod_soft_cap: [{ scoreMod: (s) => 20 * Math.tanh(s / 20) }, { softcap: 20 }],
  score_mod_causal_mask: [
    { scoreMod: (s, _b, _h, i, j) => (i >= j ? s : Number.NEGATIVE_INFINITY) },
    { maskMod: (_b, _h, i, j) => i >= j },
    { causal: "upper-left" },
  ],
};

describe.each(cases)("$id", (c) => {
  const file = readSafetensors(readFileSync(join(c.folder, "tensors.safetensors")));
  const double = c.about.inputs[0].dtype === "F64";
  const read = (name: string): Tensor => {
    if (!double) return file.tensor(name);
    const { data, shape } = file.raw(name);
    return float64Tensor(data as Float64Array, shape);
  };
  const { score_mod, prob_mod, scale } = c.about.attributes;
  const name: string | undefined = /^\w+/.exec(score_mod?.graph_text ?? "")?.[0];
  const ways: AttentionOptions[] = name ? graphs[name]! : [{}];

  test.each(ways.map((options) => [Object.keys(options)[0] ?? "as it is", options] as const))("%s", (_, options) =>
    withOperations(referenceKernel({ precision: double ? "float64" : "float32" }), () => {
      const out = attention(read("in.Q"), read("in.K"), read("in.V"), { ...options, ...(scale !== undefined && { scale }) });
      // prob_mod of the cases scales the weights, and an output is linear in them
      const got = prob_mod ? ops().affine(out, Number(/\{([\d.]+)\}/.exec(prob_mod.graph_text)![1])) : out;
      const want = read("out.Y");
      expect(got.shape).toEqual(want.shape);
      const { atol, rtol } = c.about;
      for (let n = 0; n < want.size; n++) {
        expect(Math.abs(got.data[n]! - want.data[n]!)).toBeLessThanOrEqual(atol + rtol * Math.abs(want.data[n]!));
      }
    }),
  );
});
