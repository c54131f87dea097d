/**
 * @file Choosing the next token from its scores.
 *
 *     scores ─▶ repetition penalty ─▶ ÷ temperature ─▶ the k best ─▶ the likeliest with total p ─▶ draw
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
  /** > 1 makes tokens that were there less likely. Keskar et al. 2019 (arXiv:1909.05858) §4.1. Default 1. */
  repetitionPenalty?: number | undefined;
}

/** A function from scores, ids so far and a source of chance to the next id. @throws {OptionError} */
export function chooser(
  options: SamplingOptions,
): (scores: Float32Array, seen: readonly number[], draw: Random) => number {
  const { topK, topP, repetitionPenalty: penalty = 1 } = options;
  const temperature = options.temperature ?? (topK !== undefined || topP !== undefined ? 1 : 0);
  const require = (name: string, value: number | undefined, fits: boolean, expected: string): void => {
    if (value === undefined || fits) return;
    throw new OptionError({ where: "generate", argument: name, got: `is ${value}`, expected });
  };
  require("temperature", temperature, temperature >= 0 && Number.isFinite(temperature), "a number ≥ 0; 0 is greedy");
  require("topK", topK, Number.isInteger(topK) && topK! >= 1, "a whole number ≥ 1");
  require("topP", topP, topP! > 0 && topP! <= 1, "a probability in (0, 1]");
  require("repetitionPenalty", penalty, penalty > 0 && Number.isFinite(penalty), "a number > 0; 1 is none");
  return (scores, seen, draw) => {
    const s = penalty === 1 ? scores : penalised(scores, seen, penalty);
    if (temperature === 0) return likeliest(s);
    const ranked = rank(s, temperature);
    const few = nucleus(best(ranked, topK), topP);
    return pick(few, draw.uniform());
  };
}

type Candidate = { id: number; p: number };

function likeliest(scores: Float32Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id;
  return best;
}

function penalised(scores: Float32Array, seen: readonly number[], penalty: number): Float32Array {
  const out = scores.slice();
  for (const id of new Set(seen)) out[id] = out[id]! < 0 ? out[id]! * penalty : out[id]! / penalty;
  return out;
}

/** e^((s − max)/T), likeliest first; equal ones by id. */
function rank(scores: Float32Array, temperature: number): Candidate[] {
  const max = scores[likeliest(scores)]!;
  return Array.from(scores, (s, id) => ({ id, p: Math.exp((s - max) / temperature) })).sort(
    (a, b) => b.p - a.p || a.id - b.id,
  );
}

function best(ranked: Candidate[], k = ranked.length): Candidate[] {
  const least = ranked[Math.min(k, ranked.length) - 1]!.p;
  return ranked.filter((c) => c.p >= least);
}

function nucleus(ranked: Candidate[], p = 1): Candidate[] {
  const total = ranked.reduce((sum, c) => sum + c.p, 0);
  let sum = 0;
  const end = ranked.findIndex((c) => (sum += c.p) >= p * total);
  return end < 0 ? ranked : ranked.slice(0, end + 1);
}

function pick(candidates: readonly Candidate[], share: number): number {
  let left = share * candidates.reduce((sum, c) => sum + c.p, 0);
  return (candidates.find((c) => (left -= c.p) < 0) ?? candidates.at(-1)!).id;
}
