/**
 * @file The functions of a layer, on tensors of any rank. "Rows" run along the last axis.
 *
 * Each is one operation of the kernel in force, so each has its slope.
 */
import { ops } from "../kernels/current.js";
import type { Unary } from "../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";

type Input = Tensor | TensorLike;

/**
 * (x − mean)/√(variance + ε)·weight + bias, each row by itself; the variance is the biased one.
 * Ba et al. 2016 (arXiv:1607.06450) eq. 3. ε = 1e-5 is torch's; BERT's checkpoints say 1e-12.
 */
export function layerNorm(x: Input, weight?: Input, bias?: Input, epsilon = 1e-5): Tensor {
  const X = asTensor(x, "layerNorm", "x");
  const [W, b] = [row("layerNorm", "weight", weight, X), row("layerNorm", "bias", bias, X)];
  return ops().layerNorm(X, W, b, epsilon);
}

/** x/√(mean x² + ε)·weight, each row by itself. Zhang & Sennrich 2019 (arXiv:1910.07467) eq. 4. */
export function rmsNorm(x: Input, weight?: Input, epsilon = 1e-6): Tensor {
  const X = asTensor(x, "rmsNorm", "x");
  return ops().rmsNorm(X, row("rmsNorm", "weight", weight, X), epsilon);
}

/**
 * x·Φ(x), with Φ the normal distribution function. Hendrycks & Gimpel 2016 (arXiv:1606.08415).
 * @param options.approximate "tanh" = ½x(1 + tanh(√(2/π)(x + 0.044715x³))), GPT-2's; the two differ by up to 5e-4
 */
export function gelu(x: Input, options: { approximate?: "none" | "tanh" } = {}): Tensor {
  const { approximate = "none" } = options;
  if (approximate !== "none" && approximate !== "tanh") {
    throw new OptionError({
      where: "gelu",
      argument: "options.approximate",
      got: `is ${JSON.stringify(approximate)}`,
      expected: '"none" or "tanh"',
    });
  }
  return unary(approximate === "tanh" ? "geluTanh" : "gelu", "gelu", x);
}

/** x·σ(x), also called swish. */
export const silu = (x: Input): Tensor => unary("silu", "silu", x);
/** max(x, 0) */
export const relu = (x: Input): Tensor => unary("relu", "relu", x);
/** (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ) */
export const tanh = (x: Input): Tensor => unary("tanh", "tanh", x);
/** σ(x) = 1/(1 + e⁻ˣ) */
export const sigmoid = (x: Input): Tensor => unary("sigmoid", "sigmoid", x);
/** 2/√π ∫₀ˣ e^(−t²) dt */
export const erf = (x: Input): Tensor => unary("erf", "erf", x);

/** eˣ/Σ eˣ along the last axis. */
export const softmax = (x: Input): Tensor => ops().softmax(asTensor(x, "softmax", "x"));
/** x − ln Σ eˣ along the last axis: the logarithm of softmax, without its underflow. */
export const logSoftmax = (x: Input): Tensor => ops().logSoftmax(asTensor(x, "logSoftmax", "x"));

export interface CrossEntropyOptions {
  /** Rows with this label do not count; default −100, torch's. */
  ignoreIndex?: number;
  /** Share of the target spread evenly over all classes, in [0, 1). Szegedy et al. 2016 (arXiv:1512.00567) §7. */
  labelSmoothing?: number;
}

/**
 * Mean of −ln p(label) over the rows that count.
 * @param logits […, V]   @param labels one whole number a row: nested, flat, or with a shape
 * @returns [1]; NaN when no row counts, as torch   @throws {ShapeError | OptionError} another count, a label ∉ [0, V)
 */
export function crossEntropy(
  logits: Input,
  labels: ArrayLike<number> | Input | readonly (readonly number[])[],
  options: CrossEntropyOptions = {},
): Tensor {
  const { ignoreIndex = -100, labelSmoothing = 0 } = options;
  const x = asTensor(logits, "crossEntropy", "logits");
  const vocabulary = x.shape.at(-1)!;
  const flat = integers(labels);
  if (flat.length * vocabulary !== x.size) {
    throw new ShapeError({
      where: "crossEntropy",
      argument: "labels",
      got: `has ${flat.length} labels`,
      expected: `${x.size / vocabulary}, one for each row of logits ${show(x.shape)}`,
    });
  }
  const wrong = flat.findIndex((label) => label !== ignoreIndex && !(label >= 0 && label < vocabulary));
  if (wrong >= 0) {
    throw new OptionError({
      where: "crossEntropy",
      argument: "labels",
      got: `has ${flat[wrong]} at row ${wrong}`,
      expected: `0 … ${vocabulary - 1}, or ${ignoreIndex} for a row that does not count`,
    });
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new OptionError({
      where: "crossEntropy",
      argument: "options.labelSmoothing",
      got: `is ${labelSmoothing}`,
      expected: "a share in [0, 1)",
    });
  }
  return ops().crossEntropy(ops().reshape(x, [flat.length, vocabulary]), flat, { ignoreIndex, labelSmoothing });
}

function unary(kind: Unary, where: string, x: Input): Tensor {
  return ops().unary(kind, asTensor(x, where, "x"));
}

/** A vector that must be as long as a row of x. */
function row(where: string, argument: string, value: Input | undefined, x: Tensor): Tensor | undefined {
  if (value === undefined || value === null) return undefined;
  const v = asTensor(value, where, argument);
  if (v.size !== x.shape.at(-1)) {
    throw new ShapeError({
      where,
      argument,
      got: `has shape ${show(v.shape)}`,
      expected: `[${x.shape.at(-1)}], the last axis of x ${show(x.shape)}`,
    });
  }
  return v;
}

/** Whole numbers in a row, from whatever holds them. */
export function integers(values: ArrayLike<number> | Input | readonly (readonly number[])[]): Int32Array {
  const data = (values as { data?: ArrayLike<number> }).data ?? (values as ArrayLike<number>);
  const flat = Array.isArray(data) ? data.flat(Number.POSITIVE_INFINITY) : data;
  return Int32Array.from(flat as ArrayLike<number>, Number);
}
