/** @file What works along rows, on kernel memory: norms, softmax, loss, rotation, sums over rows. */
import type { Tensor } from "../../tensor/index.js";
import type { RotaryOptions } from "../kernel.js";
import { rowsOf } from "../reference/allocate.js";
import type { LossOptions } from "../reference/loss.js";
import { checkIds, checkLabels, checkLastAxis, checkSame } from "../shapes.js";
import { runEach } from "./each.js";
import type { Workspace } from "./workspace.js";

export type { LossOptions };

export function norm(
  w: Workspace,
  kind: "layerNorm" | "rmsNorm",
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  epsilon: number,
): Tensor {
  checkLastAxis(kind, "weight", x, weight);
  checkLastAxis(kind, "bias", x, bias);
  const { rows, length } = rowsOf(x);
  return w.operation(() => {
    const y = w.result(x.shape);
    const [a, b, c] = [w.operand(x), w.operand(weight), w.operand(bias)];
    const f0 = Math.fround(epsilon);
    const centred = kind === "layerNorm" ? 1 : 0;
    runEach(w, "norm", rows, { kind: centred, a, b, c, f0, f1: epsilon - f0, y: y.address, length });
    return y.tensor;
  });
}

/** Rows shorter than this go to the reference: their slope is a difference of nearly equal numbers. */
const SHORT = 4;

interface NormSlopes {
  dx: Tensor;
  dWeight: Tensor;
  dBias: Tensor;
}

export function layerNormBackward(
  w: Workspace,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
): NormSlopes | undefined {
  checkSame("layerNorm backward", "dy", dy, x);
  return normBackward(w, true, x, weight, epsilon, dy);
}

export function rmsNormBackward(
  w: Workspace,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
): NormSlopes | undefined {
  checkSame("rmsNorm backward", "dy", dy, x);
  return normBackward(w, false, x, weight, epsilon, dy);
}

function normBackward(
  w: Workspace,
  centred: boolean,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
): NormSlopes | undefined {
  const { rows, length } = rowsOf(x);
  if (length < SHORT) return undefined;
  return w.operation(() => {
    const [dx, dWeight, dBias] = [w.result(x.shape), w.result([length]), w.result([length])];
    for (const sum of [dWeight, dBias]) w.memory.bytes.fill(0, sum.address, sum.address + length * 4);
    const [from, scale, slope] = [w.operand(x), w.operand(weight), w.operand(dy)];
    const to = [dx.address, dWeight.address, dBias.address] as const;
    w.wasm.normBackward!(centred, from, scale, epsilon, slope, ...to, rows, length);
    return { dx: dx.tensor, dWeight: dWeight.tensor, dBias: dBias.tensor };
  });
}

export function alongRows(w: Workspace, kind: "softmax" | "logSoftmax", x: Tensor): Tensor {
  const { rows, length } = rowsOf(x);
  return w.operation(() => {
    const y = w.result(x.shape);
    runEach(w, kind, rows, { a: w.operand(x), y: y.address, length });
    return y.tensor;
  });
}

export function softmaxBackward(w: Workspace, y: Tensor, dy: Tensor): Tensor {
  checkSame("softmax backward", "dy", dy, y);
  const { rows, length } = rowsOf(y);
  return w.operation(() => {
    const dx = w.result(y.shape);
    runEach(w, "softmaxBackward", rows, { a: w.operand(y), b: w.operand(dy), y: dx.address, length });
    return dx.tensor;
  });
}

const counted = (labels: Int32Array, ignore: number): number =>
  labels.reduce((n, label) => n + (label === ignore ? 0 : 1), 0);

export function crossEntropy(w: Workspace, logits: Tensor, labels: Int32Array, options: LossOptions): Tensor {
  const { ignoreIndex, labelSmoothing } = options;
  const { M, N } = checkLabels(logits, labels, ignoreIndex);
  return w.operation(() => {
    const loss = w.result([1]);
    const [from, at] = [w.operand(logits), w.words(labels)];
    const total = w.wasm.crossEntropy!(from, at, ignoreIndex, labelSmoothing, M, N, 0, 0);
    loss.tensor.data[0] = total / counted(labels, ignoreIndex); // no row counts: 0/0 = NaN, as torch
    return loss.tensor;
  });
}

export function crossEntropyBackward(
  w: Workspace,
  logits: Tensor,
  labels: Int32Array,
  options: LossOptions,
  dLoss: number,
): Tensor {
  const { ignoreIndex, labelSmoothing } = options;
  const { M, N } = checkLabels(logits, labels, ignoreIndex);
  return w.operation(() => {
    const dx = w.result(logits.shape);
    const [from, at, factor] = [w.operand(logits), w.words(labels), dLoss / counted(labels, ignoreIndex)];
    w.wasm.crossEntropy!(from, at, ignoreIndex, labelSmoothing, M, N, dx.address, factor);
    return dx.tensor;
  });
}

export function scatterAdd(w: Workspace, dy: Tensor, ids: Int32Array, rows: number): Tensor {
  checkIds("scatterAdd", "ids", ids, rows);
  const N = dy.shape[1]!;
  return w.operation(() => {
    const table = w.result([rows, N]);
    w.memory.bytes.fill(0, table.address, table.address + rows * N * 4);
    w.wasm.scatterAdd!(w.operand(dy), w.words(ids), table.address, ids.length, N);
    return table.tensor;
  });
}

/** Undefined where the arguments do not fit each other: the reference then words the refusal. */
export function rotary(
  w: Workspace,
  x: Tensor,
  cos: Tensor,
  sin: Tensor,
  positions: Int32Array,
  { interleaved, dim = x.shape.at(-1) ?? 1 }: RotaryOptions,
): Tensor | undefined {
  const { rows, length } = rowsOf(x);
  const fits = dim % 2 === 0 && dim <= length && cos.shape[1] === dim / 2 && sin.size === cos.size;
  if (!fits || positions.length !== rows) return undefined;
  checkIds("rotary", "positions", positions, cos.shape[0]!);
  return w.operation(() => {
    const y = w.result(x.shape);
    const operands = { a: w.operand(x), b: w.operand(cos), c: w.operand(sin), d: w.words(positions) };
    runEach(w, "rotary", rows, { ...operands, kind: interleaved ? 1 : 0, dim, y: y.address, length });
    return y.tensor;
  });
}

/** Sum or mean over leading axes only, as the slope of a bias needs; undefined for any other reduction. */
export function sumLeading(w: Workspace, kind: string, x: Tensor, axes: readonly number[]): Tensor | undefined {
  const rank = x.shape.length;
  const gone = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (kind === "max" || gone.size === rank) return undefined;
  for (let axis = 0; axis < gone.size; axis++) if (!gone.has(axis)) return undefined;
  const rows = x.shape.slice(0, gone.size).reduce((n, d) => n * d, 1);
  const length = x.shape.slice(gone.size).reduce((n, d) => n * d, 1);
  return w.operation(() => {
    const y = w.result(x.shape.map((d, axis) => (gone.has(axis) ? 1 : d)));
    w.memory.bytes.fill(0, y.address, y.address + length * 4);
    w.wasm.sumOfRows!(w.operand(x), y.address, rows, length);
    if (kind === "mean") w.wasm.affine!(y.address, y.address, length, 1 / rows, 0);
    return y.tensor;
  });
}
