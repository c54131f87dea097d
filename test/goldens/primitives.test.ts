/** @file Norms, activations, softmax and loss equal torch's, forward and slope, in float64 and in the default kernel. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Kernel, Unary } from "../../src/kernels/kernel.js";
import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { standardKernel } from "../../src/kernels/standard.js";
import type { Tensor } from "../../src/tensor/index.js";
import { expectWithin, readGolden } from "./numbers.js";
import { goldenSets } from "./where.js";

const [c] = goldenSets("primitives");
const golden = readGolden(join(c.folder, "golden.safetensors"));
const kinds: Record<string, Unary> = { gelu: "gelu", gelu_tanh: "geluTanh", silu: "silu", relu: "relu", tanh: "tanh", sigmoid: "sigmoid" };

/** Every expected tensor of the case, by name. */
function compute(kernel: Kernel, read: "exact" | "float32"): Record<string, Tensor> {
  const [x, weight, bias, dy] = ["x", "weight", "bias", "dout"].map((name) => golden[read](name));
  const grid = golden[read]("grid");
  const labels = Int32Array.from(golden.raw("labels").data as ArrayLike<number>);
  const layer = kernel.layerNormBackward(x, weight, 1e-5, dy);
  const rms = kernel.rmsNormBackward(x, weight, 1e-6, dy);
  const out: Record<string, Tensor> = {
    "layer_norm.out": kernel.layerNorm(x, weight, bias, 1e-5),
    "layer_norm.dx": layer.dx,
    "layer_norm.dweight": layer.dWeight,
    "layer_norm.dbias": layer.dBias,
    "rms_norm.out": kernel.rmsNorm(x, weight, 1e-6),
    "rms_norm.dx": rms.dx,
    "rms_norm.dweight": rms.dWeight,
    "softmax.out": kernel.softmax(x),
    "softmax.dx": kernel.softmaxBackward(kernel.softmax(x), dy),
    "log_softmax.out": kernel.logSoftmax(x),
    "log_softmax.dx": kernel.logSoftmaxBackward(kernel.logSoftmax(x), dy),
    "grid.gelu": kernel.unary("gelu", grid),
    "grid.gelu_tanh": kernel.unary("geluTanh", grid),
    "grid.silu": kernel.unary("silu", grid),
    "grid.erf": kernel.unary("erf", grid),
  };
  for (const [name, kind] of Object.entries(kinds)) {
    out[`${name}.out`] = kernel.unary(kind, x);
    out[`${name}.dx`] = kernel.unaryBackward(kind, x, dy);
  }
  for (const [name, labelSmoothing] of [["cross_entropy", 0], ["cross_entropy_smooth01", 0.1]] as const) {
    const options = { ignoreIndex: -100, labelSmoothing };
    out[`${name}.loss`] = kernel.crossEntropy(x, labels, options);
    out[`${name}.dx`] = kernel.crossEntropyBackward(x, labels, options, 1);
  }
  return out;
}

const makers = [
  { maker: "the reference in float64", kernel: referenceKernel({ precision: "float64" }), read: "exact", tolerance: "tol_abs" },
  { maker: "the default kernel", kernel: standardKernel(), read: "float32", tolerance: "tol_abs_f32_impl" },
] as const;

describe.each(makers)("$maker", ({ kernel, read, tolerance }) => {
  const results = compute(kernel, read);
  const expected = Object.entries(c.about.tensors as Record<string, { role: string } & Record<string, number>>)
    .filter(([, t]) => t.role === "expected")
    .map(([name, about]) => ({ name, allowed: about[tolerance] }));
  test.each(expected)("$name", ({ name, allowed }) => {
    if (!results[name]) expect.fail(`${name} is not computed`);
    expectWithin(results[name], golden.exact(name), allowed, name);
  });
});
