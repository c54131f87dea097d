/**
 * @file Choosing the next token from its scores.
 *
 *     scores ─▶ repetition penalty ─▶ ÷ temperature ─▶ the k best ─▶ the likeliest with total p ─▶ draw
 *
 * The order of transformers' `generate`. A vocabulary has up to 260,000 words and a token takes milliseconds, so nothing
 * here sorts them all: only those are ranked that can still be chosen.
 */
import type { Random } from "../tensor/random.js";
import { OptionError } from "../tensor/index.js";

export interface SamplingOptions {
  /** 0 = always the likeliest (greedy); 1 = as the model says. Default 0, or 1 when topK or topP is given. */
  temperature?: number | undefined;
  /** Only the k likeliest; ties with the k-th stay. Fan et al. 2018 (arXiv:1805.04833) §5. */
  topK?: number | undefined;
  /** Only the likeliest that together have this probability. Holtzman et al. 2020 (arXiv:1904.09751) §3.1. */
  topP?: number | undefined;
  /** > 1 makes tokens that were there, the prompt's too, less likely. Keskar et al. 2019 (arXiv:1909.05858) §4.1. Default 1. */
  repetitionPenalty?: number | undefined;
}

/** Tokens that may come next, in order of id, and how likely each is; together 1. */
export interface Candidates {
  ids: ArrayLike<number>;
  p: Float64Array;
}

/** A function from scores, ids so far and a source of chance to the next id. @throws {OptionError} */
export function chooser(
  options: SamplingOptions,
): (scores: Float32Array, seen: readonly number[], draw: Random) => number {
  const candidates = sampler(options);
  return (scores, seen, draw) => {
    const { ids, p } = candidates(scores, seen);
    let left = p.length > 1 ? draw.uniform() : 0;
    const drawn = p.findIndex((x) => (left -= x) < 0);
    return ids[drawn < 0 ? p.length - 1 : drawn]!;
  };
}

/** A function from scores and ids so far to what may come next. @throws {OptionError} */
export function sampler(options: SamplingOptions): (scores: Float32Array, seen: readonly number[]) => Candidates {
  const { topK, topP = 1, repetitionPenalty: penalty = 1 } = options;
  const temperature = options.temperature ?? (topK !== undefined || options.topP !== undefined ? 1 : 0);
  const require = (name: string, value: number | undefined, fits: boolean, expected: string): void => {
    if (value === undefined || fits) return;
    throw new OptionError({ where: "generate", argument: name, got: `is ${value}`, expected });
  };
  require("temperature", temperature, temperature >= 0 && Number.isFinite(temperature), "a number ≥ 0; 0 is greedy");
  require("topK", topK, Number.isInteger(topK) && topK! >= 1, "a whole number ≥ 1");
  require("topP", topP, topP > 0 && topP <= 1, "a probability in (0, 1]");
  require("repetitionPenalty", penalty, penalty > 0 && Number.isFinite(penalty), "a number > 0; 1 is none");
  return (scores, seen) => {
    const s = penalty === 1 ? scores : penalised(scores, seen, penalty);
    const first = likeliest(s);
    if (temperature === 0) return { ids: [first], p: Float64Array.of(1) };
    const least = topK !== undefined && topK < s.length ? kthLargest(s, topK) : Number.NEGATIVE_INFINITY;
    const p = Float64Array.from(s, (x) => (x >= least ? Math.exp((x - s[first]!) / temperature) : 0));
    return shares(p, topP < 1 ? nucleus(p, topP) : indices(p, (x) => x > 0));
  };
}

/** @throws {OptionError} for scores that are no numbers: whatever was chosen then would only look like a text */
function likeliest(scores: Float32Array): number {
  let best = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id]! > scores[best]!) best = id;
    else if (Number.isNaN(scores[id])) throw notANumber(id);
  }
  return best;
}

function notANumber(id: number): OptionError {
  return new OptionError({
    where: "generate",
    argument: "model",
    got: `gives NaN as the score of token ${id}`,
    expected: "numbers",
    fix: 'look at the weights; where they are held as "f16", hold them as "bf16" or "f32", which reach further',
  });
}

function penalised(scores: Float32Array, seen: readonly number[], penalty: number): Float32Array {
  const out = scores.slice();
  for (const id of new Set(seen)) out[id] = out[id]! < 0 ? out[id]! * penalty : out[id]! / penalty;
  return out;
}

/** A few best are kept in order while the others pass by; many are found by sorting. */
function kthLargest(values: Float32Array, k: number): number {
  if (k > 512) return values.slice().sort()[values.length - k]!;
  const best = values.slice(0, k).sort(); // the least first
  for (let i = k; i < values.length; i++) {
    const x = values[i]!;
    if (x <= best[0]!) continue;
    let at = 1;
    for (; at < k && best[at]! < x; at++) best[at - 1] = best[at]!;
    best[at - 1] = x;
  }
  return best[0]!;
}

/** The fewest that have a share P of the total; of equal ones those with lower ids. */
function nucleus(p: Float64Array, share: number): number[] {
  const total = sum(p);
  // All below this together have less than what may be left out, so no more need be ranked.
  const bar = ((1 - share) * total) / p.length;
  const ranked = indices(p, (x) => x >= bar && x > 0).sort((a, b) => p[b]! - p[a]! || a - b);
  let reached = 0;
  const end = ranked.findIndex((id) => (reached += p[id]!) >= share * total);
  return (end < 0 ? ranked : ranked.slice(0, end + 1)).sort((a, b) => a - b);
}

function indices(p: Float64Array, keep: (x: number) => boolean): number[] {
  const out: number[] = [];
  for (let id = 0; id < p.length; id++) if (keep(p[id]!)) out.push(id);
  return out;
}

function shares(p: Float64Array, ids: number[]): Candidates {
  const kept = Float64Array.from(ids, (id) => p[id]!);
  const total = sum(kept);
  return { ids, p: kept.map((x) => x / total) };
}

const sum = (values: Float64Array): number => values.reduce((total, x) => total + x, 0);
