/** @file Runs what works element by element, along rows or along columns, in tasks: assembly/each.ts. */
import type { Block, Workspace } from "./workspace.js";

/** Number of an operation in assembly/each.ts, and what a number costs in multiply-adds: whether threads are worth waking. */
const OPERATIONS = {
  unary: [0, 16],
  unaryBackward: [1, 24],
  affine: [2, 3],
  addScaled: [3, 4],
  adamW: [4, 16],
  pairs: [5, 4],
  binary: [6, 4],
  norm: [7, 8],
  softmax: [8, 16],
  logSoftmax: [9, 16],
  softmaxBackward: [10, 6],
  logSoftmaxBackward: [11, 16],
  rotary: [12, 4],
  crossEntropy: [13, 20],
  normBackward: [14, 12],
  sumOfSquares: [15, 3],
  sumOfRows: [16, 3],
  scatterAdd: [17, 4],
  unpackRows: [18, 4],
} as const;

/** Numbers a task: a multiple of every vector, and enough that a task costs more than taking it. */
const BLOCK = 16_384;
/** Columns a task at least: some cache lines of every row. */
const COLUMNS = 64;

/** Units a task when a unit is `length` numbers. */
export const blockOf = (length: number): number => Math.max(1, Math.floor(BLOCK / length));

/** Columns a task, where the cut changes no bit: as many as keep every thread busy. */
export const columnsOf = (w: Workspace, columns: number): number =>
  Math.max(COLUMNS, Math.ceil(columns / w.pool.threads / COLUMNS) * COLUMNS);

/**
 * Runs the operation that `c` describes.
 * @param units numbers, rows or columns of `length` numbers each   @param block units a task
 */
export function runEach(
  w: Workspace,
  c: Block<"EachArgs">,
  operation: keyof typeof OPERATIONS,
  units: number,
  length = 1,
  block = blockOf(length),
): void {
  if (units === 0 || length === 0) return;
  const [number, cost] = OPERATIONS[operation];
  c.operation = number;
  c.length = length;
  c.units = units;
  c.block = block;
  w.pool.run("each", c.address, Math.ceil(units / block), 0, units * length * cost);
}
