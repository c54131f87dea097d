/** @file Right beside wrong, as the page shows it: two maps, what differs, and what becomes of the next word. */
import { type Trace, visibleWeights } from "../../../trace/index.js";
import { divergence, logitsAt, meanLoss, topOf, vectorsMoved, writesOn } from "../predict.js";
import type { Guess, Kind } from "../protocol.js";
import type { Source } from "../sources.js";
import type { Whole } from "./readings.js";

/** Why a mistake cannot be shown on this run. */
export interface GotchaNotHere {
  not: string;
}

export interface GotchaShown {
  rows: number;
  columns: number;
  /** How many of the rows and of the columns are padding, in front and behind. */
  pads?: { rows: [number, number]; columns: [number, number] };
  /** NaN = may not attend. */
  right: Float32Array;
  wrong: Float32Array;
  /** Smallest and largest row sum of the wrong map. */
  sums: [number, number];
  /** Weight the wrong map gives to pairs that may not attend, as a share of all of it. */
  leaked: number;
  /** Mean of the largest weight of each row: right, wrong. */
  sharpness: [number, number];
  /** Largest |difference| of a weight. */
  difference: number;
  /** ‖wrong − right‖ / ‖right‖ of what this attention gives, all heads together; null where v is not known. */
  output: number | null;
  /** The same of the last layer's vectors, mean over tokens; null where there is no model to run. */
  moved: number | null;
  /** What the reader should know of how the mistake is made here. */
  note?: string;
  /** The rule of `qkv check` that finds it. */
  rule?: { id: string; says: string; why: string; fix: string; reference: string };
  next?: { right: Guess[]; wrong: Guess[]; kl: number; lossRight: number | null; lossWrong: number | null };
}

/** What is expected next, right and wrong, from the logits of each. */
export function nextWord(
  source: Source,
  [right, wrong]: [Float32Array, Float32Array],
  [lossRight, lossWrong]: [number | null, number | null],
): NonNullable<GotchaShown["next"]> {
  return { right: topOf(right, source, 6), wrong: topOf(wrong, source, 6), kl: divergence(right, wrong), lossRight, lossWrong }; // biome-ignore format: one answer
}

/** Two readings as the page shows them. */
export function wholeShown(
  { right, wrong, pads: around = [0, 0] }: Whole,
  at: { layer: number; kind: Kind; head: number; source: Source },
): GotchaShown {
  const [a, b] = [right.record(at.layer, at.kind), wrong.record(at.layer, at.kind)];
  const none: [number, number] = [0, 0];
  // Of two stacks only the source is padded: the rows of the encoder, and the columns of both that look at it.
  const pads = {
    rows: at.kind === "cross" || at.kind === "decoder" ? none : around,
    columns: at.kind === "decoder" ? none : around,
  };
  const shown: GotchaShown = {
    ...compared(
      visibleWeights(a, { head: at.head }),
      visibleWeights(b, { head: at.head }).map((w) => (Number.isNaN(w) ? 0 : w)),
      a.queries,
      a.keys,
      pads.rows,
    ),
    moved: movedBy(right, wrong, around),
    ...(around !== none && { pads }),
  };
  const last = -1 - (right.info.sources ? 0 : around[1]);
  const [x, y] = [logitsAt(right, last), logitsAt(wrong, last)];
  if (!x || !y || !writesOn(right)) return shown;
  const padded = around[0] + around[1] > 0;
  const loss = (trace: Trace): number | null => (padded && !right.info.sources ? null : meanLoss(trace));
  return { ...shown, next: nextWord(at.source, [x, y], [loss(right), loss(wrong)]) };
}

/** How far the last layer's vectors of two readings are apart, as a share of their length, mean over the text's own tokens. */
export function movedBy(right: Trace, wrong: Trace, pads: readonly [number, number] = [0, 0]): number | null {
  const moved = vectorsMoved(right, wrong)?.tokens;
  if (!moved) return null;
  const own = right.info.sources ? moved : moved.slice(pads[0], moved.length - pads[1]);
  return own.reduce((sum, x) => sum + x, 0) / own.length;
}

/** The numbers beside the two maps. */
export function compared(
  right: Float32Array,
  wrong: Float32Array,
  rows: number,
  columns: number,
  pads: readonly [number, number] = [0, 0],
): GotchaShown {
  const sums: [number, number] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [leaked, total, difference] = [0, 0, 0];
  const sharpness: [number, number] = [0, 0];
  const real = rows - pads[0] - pads[1];
  for (let i = pads[0]; i < rows - pads[1]; i++) {
    let sum = 0;
    let most: [number, number] = [0, 0];
    for (let j = 0; j < columns; j++) {
      const [a, b] = [right[i * columns + j]!, wrong[i * columns + j]!];
      sum += b;
      total += Math.abs(b);
      if (Number.isNaN(a)) leaked += Math.abs(b);
      difference = Math.max(difference, Math.abs(b - (a || 0)));
      most = [Math.max(most[0], a || 0), Math.max(most[1], b)];
    }
    sums[0] = Math.min(sums[0], sum);
    sums[1] = Math.max(sums[1], sum);
    sharpness[0] += most[0] / real;
    sharpness[1] += most[1] / real;
  }
  return {
    rows,
    columns,
    right,
    wrong,
    sums,
    leaked: total > 0 ? leaked / total : 0,
    sharpness,
    difference,
    output: null,
    moved: null,
  };
}
