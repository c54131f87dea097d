/** @file What a model expects next, and how an edit changes it: probabilities, KL, loss, in float64 over float32 logits. */
import { QkRecord, type Trace } from "../../trace/index.js";
import type { Guess, NextChange, Says } from "./protocol.js";

interface Speaks {
  /** The text of a vocabulary id. */
  word?(id: number): string;
}

/**
 * Whether a trace's logits say what comes after each token. Those of a masked-language model say what stands at it, those of
 * a classifier what a text is.
 */
export function writesOn(trace: Trace): boolean {
  const { logits, info } = trace;
  const own = info.sequences[0]?.ids.length;
  if (logits?.shape.length !== 3 || logits.shape[1] !== own || /bert|electra/i.test(info.architecture)) return false;
  const reads = trace.records.find((r) => r.site.kind !== "encoder" && r.site.kind !== "cross");
  if (!(reads instanceof QkRecord) || reads.queries === 1) return true;
  return reads.call.rule.end[0]! < reads.keys;
}

/** Logits of one position of the first sequence; −1 = the last. */
export function logitsAt(trace: Trace, position: number): Float32Array | undefined {
  const { logits } = trace;
  if (!logits) return undefined;
  const [L, V] = logits.shape.slice(-2) as [number, number];
  const at = position < 0 ? L + position : position;
  return logits.data.subarray(at * V, (at + 1) * V);
}

/** ln of softmax. */
export function logProbabilities(logits: ArrayLike<number>): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  const lse = max + Math.log(sum);
  return Float64Array.from({ length: logits.length }, (_, i) => logits[i]! - lse);
}

export function topOf(logits: ArrayLike<number>, speaks: Speaks, top: number): Guess[] {
  const log = logProbabilities(logits);
  const best = [...log.keys()].sort((a, b) => log[b]! - log[a]! || a - b).slice(0, top);
  return best.map((id) => ({ id, text: speaks.word?.(id) ?? `${id}`, probability: Math.exp(log[id]!) }));
}

export function topGuesses(trace: Trace, speaks: Speaks, position: number, top: number): Guess[] {
  const logits = logitsAt(trace, position);
  return logits ? topOf(logits, speaks, top) : [];
}

/** KL(p ‖ q) in nats from logits. */
export function divergence(before: ArrayLike<number>, after: ArrayLike<number>): number {
  const [p, q] = [logProbabilities(before), logProbabilities(after)];
  let kl = 0;
  for (let i = 0; i < p.length; i++) kl += Math.exp(p[i]!) * (p[i]! - q[i]!);
  return Math.max(0, kl);
}

/** Mean −log p of each token given those before it; null for a text of one token or a trace without logits. */
export function meanLoss(trace: Trace): number | null {
  const ids = trace.info.sequences[0]?.ids ?? [];
  if (!writesOn(trace) || ids.length < 2) return null;
  let total = 0;
  for (let i = 0; i + 1 < ids.length; i++) total -= logProbabilities(logitsAt(trace, i)!)[ids[i + 1]!]!;
  return total / (ids.length - 1);
}

interface Seen {
  source: Speaks & { model?: unknown };
  result: { trace: Trace };
}

/** What a trace's logits speak of. A model tells whether its last axis is its vocabulary; else a long one is. */
export function saysOf(trace: Trace, model?: { vocabularySize: number }): Says {
  const { logits, info } = trace;
  if (!logits) return "none";
  if (writesOn(trace)) return "next";
  if (logits.shape.length === 2) return "class";
  if (logits.shape.length !== 3 || logits.shape[1] !== info.sequences[0]?.ids.length) return "none";
  const all = logits.shape[2]!;
  return (model ? all === model.vocabularySize : all > 1000) ? "word" : "label";
}

/** Where a trace's scores are read when nobody says where: behind the last token, at a masked one, else at the first. */
export function placeOf(trace: Trace, says: Says): number {
  const { tokens } = trace.info.sequences[0]!;
  if (says === "next") return tokens.length - 1;
  return Math.max(
    0,
    tokens.findIndex((t) => /^(\[MASK\]|<mask>)$/.test(t)),
  );
}

/** The name of what has a score. */
export const speakerOf = (says: Says, speaks: Speaks): Speaks =>
  says === "next" || says === "word" ? speaks : { word: (id) => `${says} ${id}` };

/** What changed between two runs of the same text. */
export function nextChange(before: Seen, after: Seen, asked?: number): NextChange {
  const [was, now] = [before.result.trace, after.result.trace];
  const of = saysOf(was, before.source.model as { vocabularySize: number } | undefined);
  const position = of === "class" ? 0 : of === "next" ? placeOf(was, of) : (asked ?? placeOf(was, of));
  const moved = vectorsMoved(was, now);
  const [a, b] = of === "none" ? [] : [logitsAt(was, position), logitsAt(now, position)];
  if (!a || !b)
    return { of, position, moved, kl: Number.NaN, before: [], after: [], lossBefore: null, lossAfter: null, target: null }; // biome-ignore format: one record
  const speaks = speakerOf(of, before.source);
  const best = topOf(a, speaks, 12);
  const [pa, pb] = [logProbabilities(a), logProbabilities(b)];
  const shown = new Set([...best.slice(0, 8), ...topOf(b, speaks, 8)].map((g) => g.id));
  const list = (log: Float64Array): Guess[] =>
    [...shown].map((id) => ({ id, text: speaks.word?.(id) ?? `${id}`, probability: Math.exp(log[id]!) }));
  const first = best[0]!;
  return {
    of,
    position,
    moved,
    kl: divergence(a, b),
    before: list(pa),
    after: list(pb),
    lossBefore: meanLoss(was),
    lossAfter: meanLoss(now),
    target: { text: first.text, before: a[first.id]!, after: b[first.id]! },
  };
}

/** How far the last vectors of two readings of one text are apart. */
export function vectorsMoved(was: Trace, now: Trace): NextChange["moved"] {
  const [a, b] = [was.hiddenStates.at(-1), now.hiddenStates.at(-1)];
  if (!a || !b || a.size !== b.size) return null;
  const width = a.shape.at(-1)!;
  const [meanA, meanB] = [new Float64Array(width), new Float64Array(width)];
  const apart = (x: ArrayLike<number>, y: ArrayLike<number>, from: number): [moved: number, cosine: number] => {
    let [off, xx, yy, xy] = [0, 0, 0, 0];
    for (let n = from; n < from + width; n++) {
      off += (y[n]! - x[n]!) ** 2;
      xx += x[n]! ** 2;
      yy += y[n]! ** 2;
      xy += x[n]! * y[n]!;
    }
    return [xx > 0 ? Math.sqrt(off / xx) : 0, xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : 0];
  };
  const tokens: number[] = [];
  for (let from = 0; from < a.size; from += width) {
    tokens.push(apart(a.data, b.data, from)[0]);
    for (let d = 0; d < width; d++) {
      meanA[d]! += a.data[from + d]!;
      meanB[d]! += b.data[from + d]!;
    }
  }
  const [mean, cosine] = apart(meanA, meanB, 0);
  return { tokens, mean, cosine };
}
