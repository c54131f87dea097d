/**
 * @file Two tasks whose answer lies a known number of steps back.
 *
 *     recall   c a B d a c … ?      a symbol is marked (capital) somewhere; at the end it is asked for      B
 *     copy     b d a | . . .        what was read is written back, last first, so that distances differ     a d b
 *                                   (the j-th written lies 2j back)
 *
 * Symbols are drawn evenly, so guessing is right once in `symbols` times.
 */
import { type Random, random } from "../tensor/random.js";

export type Task = "recall" | "copy";

export interface TaskOptions {
  task: Task;
  /** Different symbols; default 8. */
  symbols?: number;
  /** The furthest an answer may lie back; default 32. Even for copy. */
  distance?: number;
}

export interface TaskBatch {
  /** [rows, length] ids. */
  inputs: Int32Array;
  /** [rows, length]: the answer where one is due, −100 elsewhere. */
  labels: Int32Array;
  /** How far back the answer lies, where one is due, else 0. */
  distances: Int32Array;
  rows: number;
  length: number;
}

/** Ids: symbols, then their marked forms (recall), then the sign that asks and the blank. */
export function vocabularyOf({ symbols = 8 }: TaskOptions): number {
  return 2 * symbols + 2;
}

/** Tokens in a row. */
export function lengthOf({ task, distance = 32 }: TaskOptions): number {
  return task === "recall" ? distance + 1 : distance + 1 - (distance % 2);
}

/** Rows drawn from a seed and a step. */
export function taskBatch(options: TaskOptions, rows: number, seed: number, step: number): TaskBatch {
  const length = lengthOf(options);
  const size = rows * length;
  const batch: TaskBatch = {
    inputs: new Int32Array(size),
    labels: new Int32Array(size).fill(-100),
    distances: new Int32Array(size),
    rows,
    length,
  };
  const source = random(Math.imul(seed ^ 0x51ed270b, 0x85ebca6b) ^ Math.imul(step + 1, 0xc2b2ae35));
  const write = options.task === "recall" ? writeRecall : writeCopy;
  for (let row = 0; row < rows; row++) write(batch, row * length, options.symbols ?? 8, source);
  return batch;
}

function writeRecall(
  { inputs, labels, distances, length }: TaskBatch,
  at: number,
  symbols: number,
  source: Random,
): void {
  const last = at + length - 1;
  for (let i = at; i < last; i++) inputs[i] = source.below(symbols);
  const marked = at + source.below(length - 1);
  labels[last] = inputs[marked]!;
  distances[last] = last - marked;
  inputs[marked]! += symbols;
  inputs[last] = 2 * symbols;
}

function writeCopy(
  { inputs, labels, distances, length }: TaskBatch,
  at: number,
  symbols: number,
  source: Random,
): void {
  const n = (length - 1) / 2;
  for (let j = 0; j < n; j++) inputs[at + j] = source.below(symbols);
  inputs[at + n] = 2 * symbols;
  for (let j = 1; j <= n; j++) {
    const i = at + n + j;
    inputs[i] = 2 * symbols + 1;
    labels[i] = inputs[at + n - j]!;
    distances[i] = 2 * j;
  }
}
