/** @file Runs what works element by element or row by row in tasks: assembly/each.ts. */
import type { Block, Workspace } from "./workspace.js";

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

/** Fields that an operation writes itself. */
type Fields = Partial<Omit<Block<"EachArgs">, "operation" | "units" | "block" | "address">>;

/** @param units numbers, or rows of `fields.length` numbers */
export function runEach(w: Workspace, operation: Operation, units: number, fields: Fields): void {
  const length = fields.length ?? 1;
  if (units === 0 || length === 0) return;
  const c = w.call("EachArgs");
  const block = Math.max(1, Math.floor(BLOCK / length));
  Object.assign(c, fields);
  c.operation = names.indexOf(operation);
  c.units = units;
  c.block = block;
  w.pool.run("each", c.address, Math.ceil(units / block), 0, units * length * OPERATIONS[operation]);
}
