import { expect, test } from "vitest";
import { batchOf, partOf } from "./batches.js";

const corpus = Uint16Array.from({ length: 5000 }, (_, i) => (i * 7919) % 400);
const options = {
  rows: 6,
  length: 60,
  repeatedText: 2,
  repeatedRandom: 2,
  vocabulary: 512,
  first: 401,
  stretch: [5, 20] as const,
};

test("a step's batch is the same whenever it is asked for, and another for another step or seed", () => {
  const ids = (seed: number, step: number): number[] => [...batchOf(corpus, options, seed, step).inputs];
  expect(ids(1, 5)).toEqual(ids(1, 5));
  expect(ids(1, 5)).not.toEqual(ids(1, 6));
  expect(ids(1, 5)).not.toEqual(ids(2, 5));
});

test("a label is the token that follows", () => {
  const { inputs, labels, rows, length } = batchOf(corpus, options, 3, 1);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i + 1 < length; i++) {
      expect(labels[row * length + i]).toBe(inputs[row * length + i + 1]);
    }
  }
});

test("rows of random tokens repeat a stretch of the asked length, and draw from their own ids", () => {
  const { inputs, length } = batchOf(corpus, options, 3, 2);
  for (const row of [0, 1]) {
    const tokens = inputs.subarray(row * length, (row + 1) * length);
    const repeats = (period: number): boolean => tokens.every((t, i) => i < period || t === tokens[i - period]);
    expect([...Array(21).keys()].slice(5).some(repeats)).toBe(true);
    expect(Math.min(...tokens)).toBeGreaterThanOrEqual(401);
  }
});

test("the other rows are stretches of the corpus, which the first two thirds of them repeat", () => {
  const { inputs, length } = batchOf(corpus, options, 3, 3);
  const last = inputs.subarray(5 * length, 6 * length).join();
  expect(corpus.join().includes(last)).toBe(true);
});

test("a part of a batch is its rows", () => {
  const batch = batchOf(corpus, options, 3, 4);
  const part = partOf(batch, 2, 4);
  expect(part.rows).toBe(2);
  expect([...part.inputs]).toEqual([...batch.inputs.slice(120, 240)]);
});
