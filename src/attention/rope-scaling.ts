/**
 * @file How fast each pair of numbers turns, and how that is stretched for texts longer than those seen in training.
 *     θ_p = base^(−2p/dim)        a token at position m turns pair p by the angle m·θ_p
 * Su et al. 2021 (arXiv:2104.09864) §3.2.2. Options are those of a checkpoint's `rope_scaling`, in camel case.
 */
import { OptionError } from "../tensor/index.js";

/** Kinds of stretching; names as in checkpoints. */
export type RopeScaling =
  | { kind: "default" }
  /** Positions divided by factor. Chen et al. 2023 (arXiv:2306.15595). */
  | { kind: "linear"; factor: number }
  /** The base grows once the text is longer than maxPositions (NTK-aware). */
  | { kind: "dynamic"; factor: number; maxPositions: number }
  /** Slow pairs are stretched, fast ones left, a ramp between. Llama 3.1. */
  | {
      kind: "llama3";
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalMaxPositions: number;
    }
  /** The same idea with a ramp in turns over the text, and sharper scores. Peng et al. 2023 (arXiv:2309.00071). */
  | {
      kind: "yarn";
      factor: number;
      originalMaxPositions: number;
      betaFast?: number | undefined; // default 32 turns
      betaSlow?: number | undefined; // default 1 turn
      attentionFactor?: number | undefined;
      mscale?: number | undefined;
      mscaleAllDim?: number | undefined;
      truncate?: boolean | undefined; // default true: the ramp starts and ends at whole pairs
    }
  /** A searched factor per pair, one list for short texts and one for long. Ding et al. 2024 (arXiv:2402.13753). */
  | {
      kind: "longrope";
      shortFactor: readonly number[];
      longFactor: readonly number[];
      originalMaxPositions: number;
      /** maxPositions / originalMaxPositions. */
      factor?: number | undefined;
      attentionFactor?: number | undefined;
    };

export interface RopeFrequencies {
  /** θ_p, dim/2 numbers, radians a position. */
  frequencies: Float64Array;
  /** cos and sin are multiplied by it, so scores by its square. */
  attentionFactor: number;
}

/**
 * @param options.dim how many numbers of a head turn, even   @param options.base default 10000
 * @param options.length tokens of the text so far, which "dynamic" and "longrope" look at
 */
export function ropeFrequencies(options: {
  dim: number;
  base?: number | undefined;
  scaling?: RopeScaling | undefined;
  length?: number | undefined;
}): RopeFrequencies {
  const { dim, base = 10000, scaling = { kind: "default" }, length = 0 } = options;
  if (!Number.isInteger(dim) || dim < 0 || dim % 2 !== 0) {
    throw new OptionError({
      where: "rope",
      argument: "options.dim",
      got: `is ${dim}`,
      expected: "an even whole number",
    });
  }
  const plain = (b: number): Float64Array => Float64Array.from({ length: dim / 2 }, (_, p) => b ** ((-2 * p) / dim));
  switch (scaling.kind) {
    case "default":
      return { frequencies: plain(base), attentionFactor: 1 };
    case "linear":
      return { frequencies: plain(base).map((f) => f / scaling.factor), attentionFactor: 1 };
    case "dynamic": {
      const stretch =
        (scaling.factor * Math.max(length, scaling.maxPositions)) / scaling.maxPositions - (scaling.factor - 1);
      return { frequencies: plain(base * stretch ** (dim / (dim - 2))), attentionFactor: 1 };
    }
    case "llama3":
      return { frequencies: plain(base).map((f) => llama3(f, scaling)), attentionFactor: 1 };
    case "yarn":
      return { frequencies: yarn(plain(base), dim, base, scaling), attentionFactor: yarnFactor(scaling) };
    case "longrope":
      return longrope(plain(base), scaling, length);
    default:
      throw new OptionError({
        where: "rope",
        argument: "options.scaling.kind",
        got: `is ${JSON.stringify((scaling as { kind: unknown }).kind)}`,
        expected: '"default", "linear", "dynamic", "llama3", "yarn" or "longrope"',
      });
  }
}

type Kind<K extends RopeScaling["kind"]> = Extract<RopeScaling, { kind: K }>;

function llama3(frequency: number, s: Kind<"llama3">): number {
  const turns = (s.originalMaxPositions * frequency) / (2 * Math.PI); // over the whole original text
  if (turns < s.lowFrequencyFactor) return frequency / s.factor;
  if (turns > s.highFrequencyFactor) return frequency;
  const keep = (turns - s.lowFrequencyFactor) / (s.highFrequencyFactor - s.lowFrequencyFactor);
  return ((1 - keep) * frequency) / s.factor + keep * frequency;
}

function yarn(plain: Float64Array, dim: number, base: number, s: Kind<"yarn">): Float64Array {
  const { betaFast = 32, betaSlow = 1, truncate = true } = s;
  // The pair (as a real number) that makes so many turns over the original text.
  const pairOf = (turns: number): number =>
    (dim * Math.log(s.originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [fast, slow] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  let high = Math.min(truncate ? Math.ceil(slow) : slow, dim - 1);
  if (low === high) high += 0.001; // the reference's guard against 0/0
  return plain.map((f, p) => {
    const stretched = Math.min(1, Math.max(0, (p - low) / (high - low)));
    return (f / s.factor) * stretched + f * (1 - stretched);
  });
}

function yarnFactor({ factor, attentionFactor, mscale, mscaleAllDim }: Kind<"yarn">): number {
  const sharper = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
  if (attentionFactor !== undefined) return attentionFactor;
  return mscale && mscaleAllDim ? sharper(mscale) / sharper(mscaleAllDim) : sharper(1);
}

function longrope(plain: Float64Array, s: Kind<"longrope">, length: number): RopeFrequencies {
  const list = length > s.originalMaxPositions ? s.longFactor : s.shortFactor;
  if (list.length !== plain.length) {
    throw new OptionError({
      where: "rope",
      argument: length > s.originalMaxPositions ? "options.scaling.longFactor" : "options.scaling.shortFactor",
      got: `has ${list.length} numbers`,
      expected: `${plain.length}, one per pair`,
    });
  }
  const { factor = 1 } = s;
  const implied = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(s.originalMaxPositions));
  return { frequencies: plain.map((f, p) => f / list[p]), attentionFactor: s.attentionFactor ?? implied };
}
