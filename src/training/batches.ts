/**
 * @file Rows to learn from. Each batch is a function of seed and step alone, so a resumed run sees what an uninterrupted
 * one would have seen.
 *
 *     text      a stretch of the corpus, from anywhere
 *     repeat    a stretch of 8–100 tokens, of text or of random tokens, again and again: what came after a token before
 *               tells what comes after it now, and nothing else does; heads that look it up form on these rows
 *               (Olsson et al. 2022, arXiv:2209.11895, "induction heads")
 *
 * All tokens are asked for, the first stretch of a random row too, though nobody can foretell it. A model that looks at
 * what came before each token finds out that a row is random and loses less there: that is what its first previous-token
 * heads are for. Without those labels none had formed after 600 steps of the bundled model, with them one had after 200.
 */
import { type Random, random } from "../tensor/random.js";

export interface Batch {
  /** Rows × length token ids. */
  inputs: Int32Array;
  /** The token that follows each; −100 where none is asked for. */
  labels: Int32Array;
  rows: number;
  length: number;
}

export interface BatchOptions {
  rows: number;
  length: number;
  /** Of these, so many repeat a stretch of text, and so many a stretch of random tokens. */
  repeatedText?: number;
  repeatedRandom?: number;
  /** Random tokens are drawn from [first, vocabulary); specials lie below `first`. */
  vocabulary: number;
  first?: number;
  /** Shortest and longest stretch; default 8 and 100 tokens. */
  stretch?: readonly [number, number];
}

/** The batch of a step. */
export function batchOf(corpus: Uint16Array, options: BatchOptions, seed: number, step: number): Batch {
  const { rows, length, repeatedText = 0, repeatedRandom = 0, vocabulary, first = 0, stretch = [8, 100] } = options;
  const source = random(mixed(seed, step));
  const inputs = new Int32Array(rows * length);
  const labels = new Int32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const repeats = row < repeatedRandom + repeatedText;
    const drawn = row < repeatedRandom;
    const period = repeats ? stretch[0] + source.below(stretch[1] - stretch[0] + 1) : length + 1;
    const tokens = drawn ? randomTokens(source, period, first, vocabulary) : stretchOf(corpus, source, period);
    for (let i = 0; i < length; i++) {
      inputs[row * length + i] = tokens[i % period]!;
      labels[row * length + i] = tokens[(i + 1) % period]!;
    }
  }
  return { inputs, labels, rows, length };
}

/** Rows [from, to) of a batch. */
export function partOf({ inputs, labels, length }: Batch, from: number, to: number): Batch {
  const part = (a: Int32Array): Int32Array => a.subarray(from * length, to * length);
  return { inputs: part(inputs), labels: part(labels), rows: to - from, length };
}

function randomTokens(source: Random, count: number, first: number, end: number): Int32Array {
  return Int32Array.from({ length: count }, () => first + source.below(end - first));
}

function stretchOf(corpus: Uint16Array, source: Random, count: number): Uint16Array {
  const from = source.below(corpus.length - count);
  return corpus.subarray(from, from + count);
}

/** Seed and step as one seed, far from that of any near step. */
function mixed(seed: number, step: number): number {
  return Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(step + 1, 0xc2b2ae35);
}
