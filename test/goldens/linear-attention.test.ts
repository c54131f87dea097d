import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type LinearAttentionOptions, linearAttention } from "../../src/attention/efficient/index.js";
import { ops, referenceKernel, withOperations } from "../../src/kernels/index.js";
import { readSafetensors, type Tensor } from "../../src/tensor/index.js";
import { merged } from "./efficient.js";
import { type GoldenCase, goldenSets } from "./where.js";

const cases = goldenSets("onnx-ops/LinearAttention");

test("there are LinearAttention cases of ONNX to compare with", () => expect(cases.length).toBeGreaterThan(0));

/** Merged [B, L, H·D] → [B, H, L, D]. */
function split(x: Tensor, heads: number): Tensor {
  const [B, L, width] = x.shape as [number, number, number];
  return ops().permute(ops().reshape(x, [B, L, heads, width / heads]), [0, 2, 1, 3]);
}

function compare(got: Tensor, want: Tensor, c: GoldenCase): void {
  const { atol, rtol } = c.about;
  expect(got.shape).toEqual(want.shape);
  for (let n = 0; n < want.size; n++) {
    expect(Math.abs(got.data[n]! - want.data[n]!)).toBeLessThanOrEqual(atol + rtol * Math.abs(want.data[n]!));
  }
}

describe.each(cases)("$id", (c) => {
  const file = readSafetensors(readFileSync(join(c.folder, "tensors.safetensors")));
  const input = (name: string) => (file.names.includes(`in.${name}`) ? file.tensor(`in.${name}`) : undefined);
  const { kv_num_heads: Hk, q_num_heads: H, scale } = c.about.attributes;
  const rule = c.about.attributes.update_rule ?? "gated_delta"; // the operator's default

  test.each(["recurrent", "chunked", "parallel"] as const)("output and state, %s form", (form) =>
    withOperations(referenceKernel(), () => {
      const [decay, beta, state] = [input("decay"), input("beta"), input("past_state")];
      const options: LinearAttentionOptions & { returnState: true } = {
        rule,
        form,
        returnState: true,
        ...(decay && { decay: split(decay, Hk) }),
        ...(beta && { beta: split(beta, beta.shape[2]!) }), // [B, L, Hk] or [B, L, 1]: one number a head
        ...(state && { state }),
        ...(scale ? { scale } : {}),
      };
      const heads = (name: string, n: number) => split(input(name)!, n);
      const result = linearAttention(heads("query", H), heads("key", Hk), heads("value", Hk), options);
      compare(merged(result.output), file.tensor("out.output"), c);
      compare(result.state, file.tensor("out.present_state"), c);
    }),
  );
});
