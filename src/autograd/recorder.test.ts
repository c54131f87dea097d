import { describe, expect, test } from "vitest";
import { random } from "../tensor/random.js";
import { ops, withOperations } from "../kernels/current.js";
import type { AttentionCall, Binary, Unary } from "../kernels/kernel.js";
import { contiguousHeads } from "../kernels/layout.js";
import { float64Tensor } from "../kernels/reference/allocate.js";
import { referenceKernel } from "../kernels/reference/reference-kernel.js";
import { sizeOf, type Tensor } from "../tensor/index.js";
import { centralDifferences } from "./central-differences.js";
import { gradient } from "./gradient.js";

const kernel = referenceKernel({ precision: "float64" });

/** Random numbers near 1 in size, the same for the same shape and seed. */
function draw(shape: readonly number[], seed = 1, positive = false): Tensor {
  const r = random(seed * 7919 + sizeOf(shape));
  return float64Tensor(
    Float64Array.from({ length: sizeOf(shape) }, () => (positive ? 0.5 + r.uniform() : r.normal())),
    shape,
  );
}

/** Holds the recorder's slopes of ⟨f(inputs), d⟩ against central differences, for every input. */
function agrees(f: (...inputs: Tensor[]) => Tensor, inputs: Tensor[], tolerance = 1e-8): void {
  withOperations(kernel, () => {
    const d = draw(f(...inputs).shape, 97);
    const { inputs: slopes } = gradient(f as (...i: never[]) => Tensor, inputs, d);
    const loss = (): number => f(...inputs).data.reduce((sum, y, i) => sum + y * d.data[i]!, 0);
    for (const [n, x] of inputs.entries()) {
      const numeric = centralDifferences(loss, x);
      const worst = slopes[n]!.data.reduce((m, s, i) => Math.max(m, Math.abs(s - numeric.data[i]!)), 0);
      expect(worst, `input ${n}`).toBeLessThan(tolerance);
    }
  });
}

describe("slopes agree with central differences to 1e-8 in float64", () => {
  const unaries: Unary[] = [
    "relu", "gelu", "geluTanh", "silu", "tanh", "sigmoid", "erf", "exp", "square", "negate", "cos", "sin", "abs",
  ]; // biome-ignore format: a list
  test.each(unaries)("%s", (kind) => agrees((x) => ops().unary(kind, x), [draw([3, 5])]));
  test.each(["log", "sqrt", "rsqrt", "reciprocal"] as const)("%s of positive numbers", (kind) =>
    agrees((x) => ops().unary(kind, x), [draw([3, 5], 1, true)]),
  );

  const binaries: Binary[] = ["add", "subtract", "multiply", "divide", "maximum"];
  test.each(binaries)("%s, both operands broadcast", (kind) =>
    agrees((a, b) => ops().binary(kind, a, b), [draw([2, 1, 5], 1, true), draw([3, 1], 2, true)]),
  );

  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const a = transposeA ? [5, 3] : [3, 5];
      const b = transposeB ? [7, 5] : [5, 7];
      const options = { transposeA, transposeB, scale: 0.7 };
      test(`matmul ${transposeA ? "Aᵀ" : "A"}·${transposeB ? "Bᵀ" : "B"}`, () =>
        agrees((x, y) => ops().matmul(x, y, options), [draw(a), draw(b, 2)]));
      test(`batched matmul ${transposeA ? "Aᵀ" : "A"}·${transposeB ? "Bᵀ" : "B"} with a shared second operand`, () =>
        agrees((x, y) => ops().matmul(x, y, options), [draw([2, ...a]), draw(b, 2)]));
    }
  }

  test("linear with bias, activation and residual", () =>
    agrees(
      (x, w, b, r) => ops().linear(x, w, { bias: b, activation: "gelu", residual: r }),
      [draw([2, 3, 5]), draw([7, 5], 2), draw([7], 3), draw([2, 3, 7], 4)],
    ));
  test("linear with a residual that is its own input", () =>
    agrees((x, w) => ops().linear(x, w, { residual: x }), [draw([3, 5]), draw([5, 5], 2)]));
  test("linear with a packed weight passes the slope on to its input", () => {
    const w = kernel.pack(draw([7, 5], 2));
    agrees((x) => ops().linear(x, w), [draw([3, 5])]);
  });

  test("layerNorm, with weight and bias", () =>
    agrees((x, w, b) => ops().layerNorm(x, w, b, 1e-5), [draw([3, 7]), draw([7], 2), draw([7], 3)]));
  test("rmsNorm", () => agrees((x, w) => ops().rmsNorm(x, w, 1e-6), [draw([3, 7]), draw([7], 2)]));
  test("softmax", () => agrees((x) => ops().softmax(x), [draw([3, 7])]));
  test("logSoftmax", () => agrees((x) => ops().logSoftmax(x), [draw([3, 7])]));
  test("crossEntropy with an ignored row and smoothing", () =>
    agrees(
      (x) => ops().crossEntropy(x, Int32Array.of(1, -100, 6), { ignoreIndex: -100, labelSmoothing: 0.1 }),
      [draw([3, 7])],
    ));

  test("affine", () => agrees((x) => ops().affine(x, 3, -2), [draw([3, 5])]));
  test.each(["sum", "mean", "max"] as const)("reduce %s over two of three axes", (kind) =>
    agrees((x) => ops().reduce(kind, x, [0, 2]), [draw([2, 3, 5])]),
  );

  test("gather with repeated ids", () => agrees((t) => ops().gather(t, Int32Array.of(2, 0, 2)), [draw([4, 5])]));
  test.each([true, false])("rotary, interleaved %s, partial", (interleaved) => {
    const angles = draw([3, 2], 9);
    const [cos, sin] = [kernel.unary("cos", angles), kernel.unary("sin", angles)];
    agrees((x) => ops().rotary(x, cos, sin, Int32Array.of(0, 2, 1, 2), { interleaved, dim: 4 }), [draw([4, 7])]);
  });
  test("permute", () => agrees((x) => ops().permute(x, [2, 0, 1]), [draw([2, 3, 5])]));
  test("slices of one tensor that overlap add up", () =>
    agrees((x) => ops().binary("add", ops().slice(x, 1, 0, 2), ops().slice(x, 1, 1, 3)), [draw([2, 3, 5])]));
  test("a slice beside another use of the same tensor", () =>
    agrees((x) => ops().binary("multiply", x, ops().slice(x, 0, 1, 2)), [draw([2, 3])]));
  test("concat of a tensor with itself", () =>
    agrees((x, y) => ops().concat([x, y, x], 1), [draw([2, 3]), draw([2, 2], 2)]));
  test("reshape by operation and by method", () =>
    agrees((x) => ops().matmul(ops().reshape(x, [5, 6]), x.reshape([6, 5])), [draw([2, 3, 5])]));
});

describe("attention", () => {
  const [B, H, Hk, Lq, Lk, D, Dv] = [2, 4, 2, 3, 5, 3, 2];
  const call = (q: Tensor, k: Tensor, v: Tensor): AttentionCall => ({
    batch: B, heads: H, keyHeads: Hk, queries: Lq, keys: Lk, headDim: D, valueDim: Dv,
    q: contiguousHeads(q), k: contiguousHeads(k), v: contiguousHeads(v), scale: 0.6,
    rule: { first: new Int32Array(Lq), end: Int32Array.of(3, 0, 5), perBatch: false },
  }); // biome-ignore format: a table
  const operands = (): Tensor[] => [draw([B, H, Lq, D]), draw([B, Hk, Lk, D], 2), draw([B, Hk, Lk, Dv], 3)];

  test("grouped heads, with a row that sees nothing", () =>
    agrees((q, k, v) => ops().attention(call(q, k, v)).output, operands()));
  test("its log-sum-exp, with sinks", () =>
    agrees(
      (q, k, v, sinks) => {
        const { lse } = ops().attention({
          ...call(q, k, v),
          sinks,
          rule: { first: new Int32Array(Lq), end: Int32Array.of(3, 1, 5), perBatch: false },
        });
        return lse;
      },
      [...operands(), draw([H], 4)],
    ));
  test("output and log-sum-exp together", () =>
    agrees((q, k, v) => {
      const rule = { first: new Int32Array(Lq), end: Int32Array.of(3, 1, 5), perBatch: false };
      const { output, lse } = ops().attention({ ...call(q, k, v), rule });
      return ops().binary("multiply", output, ops().reshape(lse, [B, H, Lq, 1]));
    }, operands()));
  test("bias and sinks under a softcap", () =>
    agrees(
      (q, k, v, bias, sinks) =>
        ops().attention({
          ...call(q, k, v),
          softcap: 2,
          sinks,
          bias: { tensor: bias, offset: 0, strides: [0, Lq * Lk, Lk, 1] },
        }).output,
      [...operands(), draw([H, Lq, Lk], 5), draw([H], 6)],
    ));
  test("q, k and v read from one fused tensor add up in it", () =>
    agrees(
      (qkv) => {
        const width = 3 * H * D;
        const part = (n: number) => ({ tensor: qkv, offset: n * H * D, strides: [Lq * width, D, width] as const });
        return ops().attention({
          ...call(qkv, qkv, qkv),
          keyHeads: H,
          keys: Lq,
          valueDim: D,
          q: part(0),
          k: part(1),
          v: part(2),
          outputLayout: "merged",
          rule: { first: new Int32Array(Lq), end: Int32Array.of(1, 2, 3), perBatch: false },
        }).output;
      },
      [draw([B, Lq, 3 * H * D])],
    ));
});

describe("gradient", () => {
  test("a depth of ten thousand operations is no recursion", () => {
    const deep = (x: Tensor): Tensor => {
      let y = x;
      for (let n = 0; n < 10_000; n++) y = ops().affine(y, 1, 1);
      return y;
    };
    expect(withOperations(kernel, () => gradient(deep, [draw([1])])).inputs[0]!.data[0]).toBe(1);
  });
  test("a tensor given twice is two inputs", () => {
    const x = float64Tensor([3], [1]);
    const f = (a: Tensor, b: Tensor): Tensor => ops().binary("multiply", ops().unary("square", a), b);
    const { inputs } = withOperations(kernel, () => gradient(f, [x, x]));
    expect(inputs.map((t) => t.data[0])).toEqual([18, 9]);
  });
  test("an input the output does not depend on has a slope of zeros, and no tensor has none", () => {
    const { inputs } = withOperations(kernel, () => gradient((a: Tensor) => a, [draw([2]), draw([2, 3]), [1, 2]]));
    expect(inputs[1]!.shape).toEqual([2, 3]);
    expect(Array.from(inputs[1]!.data)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(inputs[2]).toBeUndefined();
  });
  test("an output of several tensors takes a record, and what is left out counts as zero", () => {
    const f = (x: Tensor): object => ({ a: ops().affine(x, 2), b: ops().affine(x, 5) });
    const at = (d?: object): number =>
      withOperations(kernel, () => gradient(f, [float64Tensor([1], [1])], d)).inputs[0]!.data[0]!;
    expect([at(), at({ a: float64Tensor([10], [1]) })]).toEqual([7, 20]);
  });
  test("an upstream slope of another shape is refused", () => {
    expect(() =>
      withOperations(kernel, () => gradient((x: Tensor) => x, [draw([2, 3])], draw([5]))),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: gradient: dOut has shape [5]; expected [2, 3], the shape of the output.]`,
    );
    expect(() =>
      withOperations(kernel, () => gradient((x: Tensor) => ({ y: x }), [draw([2])], { z: draw([2]) })),
    ).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: gradient: dOut has "z", which the output has not; expected "y".]`,
    );
    expect(() => withOperations(kernel, () => gradient(() => 3, []))).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: gradient: layerOrFunction gives no tensor; expected a tensor, or an object whose values are tensors.]`,
    );
  });
});
