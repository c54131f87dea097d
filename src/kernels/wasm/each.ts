/** @file Runs what works element by element or row by row in tasks: assembly/each.ts. */
import type { CallArguments, Workspace } from "./workspace.js";

/** In the order of their numbers, with what a number costs in multiply-adds: it decides whether threads are worth waking. */
const OPERATIONS = {
  unary: 16,
  unaryBackward: 24,
  affine: 3,
  addScaled: 4,
  adamW: 16,
  pairs: 4,
  binary: 4,
  norm: 8,
  softmax: 16,
  logSoftmax: 16,
  softmaxBackward: 6,
  rotary: 4,
} as const;

type Operation = keyof typeof OPERATIONS;
const names = Object.keys(OPERATIONS) as Operation[];

/** Numbers a task: a multiple of every vector, and enough that a task costs more than taking it. */
const BLOCK = 16_384;

/** @param units numbers, or rows of `values.length` numbers */
export function runEach(w: Workspace, operation: Operation, units: number, values: CallArguments): void {
  const length = Number(values["length"] ?? 1);
  if (units === 0 || length === 0) return;
  const block = Math.max(1, Math.floor(BLOCK / length));
  const args = w.arguments("EachArgs", { ...values, operation: names.indexOf(operation), units, block });
  w.pool.run("each", args, Math.ceil(units / block), 0, units * length * OPERATIONS[operation]);
}
