/** @file What works along rows, on kernel memory: norms, softmax, loss, rotation, sums over rows. */
import type { Tensor } from "../../tensor/index.js";
import type { RotaryOptions } from "../kernel.js";
import { rowsOf } from "../reference/allocate.js";
import type { LossOptions } from "../reference/loss.js";
import { checkIds, checkLabels, checkLastAxis, checkSame } from "../shapes.js";
import { blockOf, columnsOf, runEach } from "./each.js";
import type { Block, Workspace } from "./workspace.js";

export type { LossOptions };

/** A float64 in the fields f0 and f1: 48 of its 53 bits. */
function writeDouble(c: Block<"EachArgs">, x: number): void {
  c.f0 = Math.fround(x);
  c.f1 = x - Math.fround(x);
}

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
    const [from, scale, shift] = [w.operand(x), w.operand(weight), w.operand(bias)];
    const c = w.call("EachArgs");
    c.kind = kind === "layerNorm" ? 1 : 0;
    c.a = from;
    c.b = scale;
    c.c = shift;
    c.y = y.address;
    writeDouble(c, epsilon);
    runEach(w, c, "norm", rows, length);
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
    const dx = w.result(x.shape);
    const tasks = Math.max(1, Math.ceil(rows / blockOf(length)));
    const [from, scale, slope] = [w.operand(x), w.operand(weight), w.operand(dy)];
    const sums = w.zeros(2 * tasks * length * 4); // [2, tasks, length]: of dWeight, of dBias
    const c = w.call("EachArgs");
    c.kind = centred ? 1 : 0;
    c.a = from;
    c.b = scale;
    c.c = slope;
    c.d = sums;
    c.dim = tasks;
    c.y = dx.address;
    writeDouble(c, epsilon);
    runEach(w, c, "normBackward", rows, length);
    const dWeight = sumOfRows(w, sums, tasks, length, [length]);
    const dBias = sumOfRows(w, sums + tasks * length * 4, tasks, length, [length]);
    return { dx: dx.tensor, dWeight, dBias };
  });
}

/** Of numbers [rows, length] at `from`, times a factor. */
export function sumOfRows(
  w: Workspace,
  from: number,
  rows: number,
  length: number,
  shape: readonly number[],
  factor = 1,
): Tensor {
  const y = w.result(shape);
  if (rows === 0) y.tensor.data.fill(0 * factor); // the mean of nothing: 0·∞ = NaN
  const c = w.call("EachArgs");
  c.a = from;
  c.y = y.address;
  c.f0 = factor;
  runEach(w, c, "sumOfRows", length, rows, columnsOf(w, length));
  return y.tensor;
}

export function alongRows(w: Workspace, kind: "softmax" | "logSoftmax", x: Tensor): Tensor {
  const { rows, length } = rowsOf(x);
  return w.operation(() => {
    const y = w.result(x.shape);
    const a = w.operand(x);
    const c = w.call("EachArgs");
    c.a = a;
    c.y = y.address;
    runEach(w, c, kind, rows, length);
    return y.tensor;
  });
}

/** From the result y of the one or the other. */
export function alongRowsBackward(w: Workspace, kind: "softmax" | "logSoftmax", y: Tensor, dy: Tensor): Tensor {
  checkSame(`${kind} backward`, "dy", dy, y);
  const { rows, length } = rowsOf(y);
  return w.operation(() => {
    const dx = w.result(y.shape);
    const [a, b] = [w.operand(y), w.operand(dy)];
    const c = w.call("EachArgs");
    c.a = a;
    c.b = b;
    c.y = dx.address;
    runEach(w, c, `${kind}Backward`, rows, length);
    return dx.tensor;
  });
}

const counted = (labels: Int32Array, ignore: number): number =>
  labels.reduce((n, label) => n + (label === ignore ? 0 : 1), 0);

/** The operands of a loss; what is wanted of it stays 0. */
function beginLoss(w: Workspace, logits: Tensor, labels: Int32Array, options: LossOptions): Block<"EachArgs"> {
  const [a, b] = [w.operand(logits), w.words(labels)];
  const c = w.call("EachArgs");
  c.a = a;
  c.b = b;
  c.kind = options.ignoreIndex;
  writeDouble(c, options.labelSmoothing);
  return c;
}

export function crossEntropy(w: Workspace, logits: Tensor, labels: Int32Array, options: LossOptions): Tensor {
  const { M, N } = checkLabels(logits, labels, options.ignoreIndex);
  return w.operation(() => {
    const loss = w.result([1]);
    const losses = w.temporary(M * 8);
    const c = beginLoss(w, logits, labels, options);
    c.c = losses;
    runEach(w, c, "crossEntropy", M, N);
    const total = w.memory.doubles(losses, M).reduce((sum, row) => sum + row, 0);
    loss.tensor.data[0] = total / counted(labels, options.ignoreIndex); // no row counts: 0/0 = NaN, as torch
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
  const { M, N } = checkLabels(logits, labels, options.ignoreIndex);
  return w.operation(() => {
    const dx = w.result(logits.shape);
    const c = beginLoss(w, logits, labels, options);
    c.y = dx.address;
    c.f2 = dLoss / counted(labels, options.ignoreIndex);
    runEach(w, c, "crossEntropy", M, N);
    return dx.tensor;
  });
}

export function scatterAdd(w: Workspace, dy: Tensor, ids: Int32Array, rows: number): Tensor {
  checkIds("scatterAdd", "ids", ids, rows);
  const N = dy.shape[1]!;
  return w.operation(() => {
    const table = w.result([rows, N]);
    if (ids.length === 0) table.tensor.data.fill(0);
    const [a, b] = [w.operand(dy), w.words(ids)];
    const c = w.call("EachArgs");
    c.a = a;
    c.b = b;
    c.y = table.address;
    c.dim = rows;
    runEach(w, c, "scatterAdd", N, ids.length, columnsOf(w, N));
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
    const [from, cosAt, sinAt, rowAt] = [w.operand(x), w.operand(cos), w.operand(sin), w.words(positions)];
    const c = w.call("EachArgs");
    c.a = from;
    c.b = cosAt;
    c.c = sinAt;
    c.d = rowAt;
    c.kind = interleaved ? 1 : 0;
    c.dim = dim;
    c.y = y.address;
    runEach(w, c, "rotary", rows, length);
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
  const shape = x.shape.map((d, axis) => (gone.has(axis) ? 1 : d));
  return w.operation(() => sumOfRows(w, w.operand(x), rows, length, shape, kind === "mean" ? 1 / rows : 1));
}
