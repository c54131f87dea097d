/**
 * @file attention, attentionWeights and attentionGradient equal torch's scaled dot-product attention and its autograd:
 * in float64 to rounding, and the default kernel within the float32 tolerance of each case.
 */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attention, attentionGradient, attentionWeights } from "../../src/attention/index.js";
import type { AttentionOptions } from "../../src/attention/options.js";
import { defaultKernel, setDefaultKernel } from "../../src/kernels/current.js";
import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { standardKernel } from "../../src/kernels/standard.js";
import type { TensorLike } from "../../src/tensor/index.js";
import { expectWithin, type Golden, readGolden } from "./numbers.js";
import { type GoldenCase, goldenSets } from "./where.js";

const cases = goldenSets("sdpa");

test("the set is here", () => expect(cases.length).toBeGreaterThanOrEqual(13));

/** What a case says, in our words. */
function optionsOf(c: GoldenCase, golden: Golden, precision: "exact" | "float32"): AttentionOptions {
  const { causal, scale, softcap, window } = c.about;
  const mask = golden.has("mask") ? (golden.raw("mask") as TensorLike) : undefined;
  return {
    ...(causal && { causal: causal === "tl" ? "upper-left" : "lower-right" }),
    ...(scale !== undefined && { scale }),
    ...(softcap !== undefined && { softcap }),
    ...(window !== undefined && { window: { left: window - 1, right: 0 } }), // a window of 3 counts the query's own key
    ...(mask && { mask }),
    ...(golden.has("bias") && { bias: golden[precision]("bias") }),
  };
}

const makers = [
  { maker: "the reference in float64", make: () => referenceKernel({ precision: "float64" }), read: "exact", tolerance: "tol_abs" },
  { maker: "the default kernel", make: standardKernel, read: "float32", tolerance: "tol_abs_f32_impl" },
] as const;

describe.each(makers)("$maker", ({ make, read, tolerance }) => {
  const before = defaultKernel();
  beforeEach(() => setDefaultKernel(make()));
  afterEach(() => setDefaultKernel(before));

  test.each(cases.filter((c) => c.about.kind === "sdpa"))("$id: output, lse, map and slopes", (c) => {
    const golden = readGolden(join(c.folder, "golden.safetensors"));
    const [q, k, v, dOut] = ["q", "k", "v", "dout"].map((name) => golden[read](name));
    const options = optionsOf(c, golden, read);
    const { output, lse } = attention(q, k, v, { ...options, returnLse: true });
    const { dq, dk, dv, dBias } = attentionGradient(q, k, v, dOut, options);
    const results = { out: output, lse, probs: attentionWeights(q, k, options), dq, dk, dv, dbias: dBias };
    for (const [name, got] of Object.entries(results)) {
      if (!golden.has(name)) continue;
      if (!got) expect.fail(`${name} is missing`);
      expectWithin(got, golden.exact(name), c.about.tensors[name][tolerance], `${c.id} ${name}`);
    }
  });
});

test("a row whose keys are all masked gives zeros, as torch's does since 2.5; other rows are untouched", () => {
  const c = cases.find(({ id }) => id === "sdpa/fully-masked-row");
  if (!c) return expect.fail("the case is missing");
  const golden = readGolden(join(c.folder, "golden.safetensors"));
  const [q, k, v] = ["q", "k", "v"].map((name) => golden.float32(name));
  const got = attention(q, k, v, { mask: golden.raw("mask") as TensorLike });
  expectWithin(got, golden.exact("out_torch_sdpa_bool_mask"), 1e-6, c.id);
});
