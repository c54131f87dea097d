/** @file Shapes of results, with the refusal when operands disagree: one copy for every maker. */
import { OptionError, ShapeError, show, type Tensor } from "../tensor/index.js";
import { isSameShape } from "../tensor/shape.js";
import type { Cell, PackedWeight, RecurrentCall } from "./kernel.js";

/** The sizes of a matrix product; `aBatch`, `bBatch` are the distances between items, 0 for a shared 2-D operand. */
export interface MatmulExtent {
  batch: number;
  M: number;
  K: number;
  N: number;
  aBatch: number;
  bBatch: number;
  shape: number[];
}

export function matmulExtent(
  a: Tensor,
  b: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean } = {},
): MatmulExtent {
  for (const [argument, x] of [["a", a] as const, ["b", b] as const]) {
    if (x.shape.length < 2) {
      throw new ShapeError({
        where: "matmul",
        argument,
        got: `has shape ${show(x.shape)}`,
        expected: "two axes or more",
      });
    }
  }
  const [aRows, aColumns] = a.shape.slice(-2);
  const [bRows, bColumns] = b.shape.slice(-2);
  const [M, K] = options.transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [inner, N] = options.transposeB ? [bColumns, bRows] : [bRows, bColumns];
  if (inner !== K) {
    throw new ShapeError({
      where: "matmul",
      argument: "b",
      got: `has ${inner} rows to sum over in ${show(b.shape)}${options.transposeB ? " (transposed)" : ""}`,
      expected: `${K}, as in a ${show(a.shape)}${options.transposeA ? " (transposed)" : ""}`,
    });
  }
  const lead = a.shape.length > 2 ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
  for (const [argument, x] of [["a", a] as const, ["b", b] as const]) {
    if (x.shape.length > 2 && !isSameShape(x.shape.slice(0, -2), lead)) {
      throw new ShapeError({
        where: "matmul",
        argument,
        got: `has leading axes ${show(x.shape.slice(0, -2))} in ${show(x.shape)}`,
        expected: `${show(lead)}, as in the other operand, or no leading axes`,
      });
    }
  }
  return {
    batch: lead.reduce((n, d) => n * d, 1),
    M,
    K,
    N,
    aBatch: a.shape.length > 2 ? M * K : 0,
    bBatch: b.shape.length > 2 ? K * N : 0,
    shape: [...lead, M, N],
  };
}

/** Sizes of `linear`: x […, K], weight [N, K]. */
export function linearExtent(
  x: Tensor,
  weight: Tensor | PackedWeight,
  options: { bias?: Tensor | undefined; residual?: Tensor | undefined } = {},
): { M: number; K: number; N: number; shape: number[] } {
  const isPacked = "kind" in weight;
  const N = isPacked ? weight.rows : weight.shape[0];
  const K = isPacked ? weight.columns : weight.shape[1];
  const refuse = (argument: string, got: readonly number[], expected: string): never => {
    throw new ShapeError({ where: "linear", argument, got: `has shape ${show(got)}`, expected });
  };
  if (!isPacked && weight.shape.length !== 2) refuse("weight", weight.shape, "[outputs, inputs]");
  if (x.shape.at(-1) !== K) refuse("x", x.shape, `a last axis of ${K}, the inputs of weight ${show([N, K])}`);
  const shape = x.shape.slice();
  shape[shape.length - 1] = N;
  let M = 1;
  for (let axis = 0; axis < shape.length - 1; axis++) M *= shape[axis];
  if (options.bias && options.bias.size !== N) refuse("bias", options.bias.shape, `[${N}], the outputs of the weight`);
  if (options.residual && !isSameShape(options.residual.shape, shape)) {
    refuse("residual", options.residual.shape, `${show(shape)}, the shape of the result`);
  }
  return { M, K, N, shape };
}

/** A weight or bias along the last axis of x. */
export function checkLastAxis(where: string, argument: string, x: Tensor, vector: Tensor | undefined): void {
  if (vector && vector.size !== x.shape.at(-1)) {
    throw new ShapeError({
      where,
      argument,
      got: `has shape ${show(vector.shape)}`,
      expected: `[${x.shape.at(-1)}], the last axis of x ${show(x.shape)}`,
    });
  }
}

/** Equal shapes. */
export function checkSame(where: string, argument: string, got: Tensor, like: Tensor): void {
  if (!isSameShape(got.shape, like.shape)) {
    throw new ShapeError({ where, argument, got: `has shape ${show(got.shape)}`, expected: show(like.shape) });
  }
}

/** Whole numbers in [0, rows), as gather and rotary need. */
export function checkIds(where: string, argument: string, ids: Int32Array, rows: number): void {
  for (let n = 0; n < ids.length; n++) {
    if (ids[n] < 0 || ids[n] >= rows) {
      throw new OptionError({
        where,
        argument: `${argument}[${n}]`,
        got: `is ${ids[n]}`,
        expected: rows === 0 ? "none: the table is empty" : `0 to ${rows - 1}: the table has ${rows} rows`,
      });
    }
  }
}

/** One label a row of logits [M, N]; a label is `ignoreIndex` or a column. */
export function checkLabels(logits: Tensor, labels: Int32Array, ignoreIndex: number): { M: number; N: number } {
  const [M, N] = logits.shape;
  if (logits.shape.length !== 2 || labels.length !== M) {
    throw new ShapeError({
      where: "crossEntropy",
      argument: "labels",
      got: `has ${labels.length} numbers for logits ${show(logits.shape)}`,
      expected: "one label a row of logits [rows, classes]",
    });
  }
  for (let r = 0; r < M; r++) {
    if (labels[r] !== ignoreIndex && (labels[r] < 0 || labels[r] >= N)) {
      throw new OptionError({
        where: "crossEntropy",
        argument: `labels[${r}]`,
        got: `is ${labels[r]}`,
        expected: `0 to ${N - 1}, or ignoreIndex ${ignoreIndex}`,
      });
    }
  }
  return { M, N };
}

const GATES: Record<Cell, number> = { tanh: 1, relu: 1, lstm: 4, gru: 3 };

/** Batch, steps, hidden size and gates of a recurrent call; `kept`: numbers a step of `gates`. */
export function recurrentExtent({ cell, inputs, weight, bias, h, c }: RecurrentCall): {
  batch: number;
  length: number;
  H: number;
  G: number;
  kept: number;
} {
  const G = GATES[cell];
  const [batch, H] = h.shape;
  const length = inputs.shape[1];
  const require = (argument: string, got: readonly number[], expected: readonly number[]): void => {
    if (isSameShape(got, expected)) return;
    throw new ShapeError({
      where: "recurrent",
      argument,
      got: `has shape ${show(got)}`,
      expected: `${show(expected)}, for h ${show(h.shape)} and ${G} ${G === 1 ? "gate" : "gates"}`,
    });
  };
  require("inputs", inputs.shape, [batch, length, G * H]);
  require("weight", "kind" in weight ? [weight.rows, weight.columns] : weight.shape, [G * H, H]);
  if (bias) require("bias", bias.shape, [G * H]);
  if (cell === "lstm") require("c", c?.shape ?? [], [batch, H]);
  return { batch, length, H, G, kept: G === 1 ? 0 : 4 };
}
