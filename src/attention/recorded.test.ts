/** `attention` and `attentionWeights` inside `gradient`: slopes against central differences in float64, or one clear refusal. */
import { describe, expect, test } from "vitest";
import { normal } from "../../test/conformance/numbers.js";
import { centralDifferences } from "../autograd/central-differences.js";
import { gradient } from "../autograd/index.js";
import { ops, withOperations } from "../kernels/current.js";
import { float64Tensor } from "../kernels/reference/allocate.js";
import { referenceKernel } from "../kernels/reference/reference-kernel.js";
import { type Tensor, tensor } from "../tensor/index.js";
import { attention, attentionGradient, attentionWeights } from "./index.js";
import type { AttentionOptions, WeightsOptions } from "./options.js";

const kernel = referenceKernel({ precision: "float64" });
const exact = (seed: number, shape: number[]): Tensor => float64Tensor(normal(seed, shape).data, shape);
const [B, H, Hk, Lq, Lk, D, Dv] = [2, 4, 2, 3, 5, 3, 2];
const [q, k, v] = [exact(1, [B, H, Lq, D]), exact(2, [B, Hk, Lk, D]), exact(3, [B, Hk, Lk, Dv])];

/** h = 1e-5 leaves h²/6 + ε/h ≈ 4e-11, so 1e-8 is a real test. */
function agrees(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[]): void {
  withOperations(kernel, () => {
    const y = f(...inputs);
    const d = exact(97, [...y.shape]);
    const { inputs: slopes, output } = gradient(f as (...i: never[]) => Tensor, inputs, d);
    expect(output.data).toEqual(y.data); // recorded or not, the same numbers
    const loss = (): number => f(...inputs).data.reduce((sum, x, i) => sum + x * d.data[i], 0);
    for (const [n, x] of inputs.entries()) {
      const numeric = centralDifferences(loss, x);
      expect(numeric.data.some((s) => s !== 0)).toBe(true);
      slopes[n].data.forEach((s, i) => expect(Math.abs(s - numeric.data[i]), `input ${n} at ${i}`).toBeLessThan(1e-8));
    }
  });
}

describe("attention inside gradient", () => {
  test.each<[string, AttentionOptions]>([
    ["a score function", { scoreMod: (s, _b, h, i, j) => Math.tanh(s) * (h + 1) + 0.1 * (i - j) }],
    ["a mask function, in panels", { maskMod: (_b, h, i, j) => (h + i + j) % 3 !== 0 }],
    ["both", { maskMod: (_b, _h, i, j) => j <= i + 1, scoreMod: (s) => 0.3 * s * s }],
    ["softcap, window and dropout", { softcap: 0.9, window: { left: 2, right: 1 }, dropout: { rate: 0.4, seed: 3 } }],
  ])("%s", (_, options) => agrees((q, k, v) => attention(q, k, v, options), [q, k, v]));
  test("bias and sinks given as tensors have slopes", () =>
    agrees((bias, sinks) => attention(q, k, v, { bias, sinks }), [exact(5, [H, Lq, Lk]), exact(6, [H])]));
  test("operands without a batch axis", () =>
    agrees(
      (q, k, v) => attention(q, k, v, { causal: true }),
      [exact(1, [Lq, D]), exact(2, [Lk, D]), exact(3, [Lk, Dv])],
    ));
});

describe("attentionWeights inside gradient", () => {
  test.each<[string, WeightsOptions]>([
    ["the whole map", {}],
    ["causal, a part of rows and columns", { causal: true, rows: [1, 3], columns: [1, 4] }],
    ["softcap and ALiBi", { softcap: 0.9, alibi: true }],
    ["key lengths, one of them 0", { keyLengths: [0, 3] }],
    ["a score function", { scoreMod: (s) => Math.sin(s) }],
  ])("%s", (_, options) => agrees((q, k) => attentionWeights(q, k, options), [q, k]));
  test("bias and sinks have slopes", () =>
    agrees((bias, sinks) => attentionWeights(q, k, { bias, sinks }), [exact(5, [H, Lq, Lk]), exact(6, [H])]));
  test("a map and an output of one call add up", () =>
    agrees(
      (q, k, v) =>
        ops().matmul(attentionWeights(q, k), ops().permute(attention(q, k, v), [0, 1, 3, 2]), {
          transposeA: true,
          transposeB: true,
        }),
      [exact(1, [1, 1, 3, D]), exact(2, [1, 1, 3, D]), exact(3, [1, 1, 3, Dv])],
    ));
  test("the default kernel gives the same map recorded and not, masked pairs exactly 0", () => {
    const [x, y] = [normal(1, [B, H, 37, 8]), normal(2, [B, Hk, 41, 8])];
    const options = { causal: true, rows: [3, 29], columns: [2, 40] } as const;
    const plain = attentionWeights(x, y, options);
    const { output } = gradient((a: Tensor, b: Tensor) => attentionWeights(a, b, options), [x, y]);
    plain.data.forEach((p, i) => {
      expect(Math.abs(output.data[i] - p)).toBeLessThanOrEqual(4e-7); // both within 2e-7 of float64, as conformance holds
      if (p === 0) expect(output.data[i]).toBe(0);
    });
  });
});

describe("what has no slope says so", () => {
  const message = (f: (...x: Tensor[]) => unknown): string => {
    try {
      withOperations(kernel, () => gradient(f as never, [q, k, v]));
    } catch (error) {
      return (error as Error).message;
    }
    return "no error";
  };
  test.each<[string, AttentionOptions, string]>([
    ["under a score function", { scoreMod: (s) => s * s }, "a score function"],
    ["under a softcap", { softcap: 2 }, "softcap"],
    ["under a bias", { bias: exact(5, [Lk]) }, "bias"],
  ])("the log-sum-exp %s", (_, options, what) =>
    expect(message((q, k, v) => attention(q, k, v, { ...options, returnLse: true }))).toBe(
      `gradient: lse depends on ${what}, for which its slope is not worked out; expected a result that uses the output only. Fix: take the loss from the output of attention, not from its lse.`,
    ),
  );
  test("attentionGradient inside gradient: slopes of slopes", () =>
    expect(
      message((q, k, v) => attentionGradient(q, k, v, tensor(new Float32Array(B * H * Lq * Dv), [B, H, Lq, Dv])).dq),
    ).toBe(
      "attentionGradient: the call stands inside gradient() or a loss, where slopes of slopes would be needed; expected a call outside of them. Fix: inside, call attention(): its slope is taken by itself.",
    ));
});
