/** @file What a model expects next, and how an edit changes it: probabilities, KL, loss, in float64 over float32 logits. */
import { QkRecord, type Trace } from "../../trace/index.js";
import type { Guess, NextChange } from "./protocol.js";

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

type Seen = { source: Speaks; result: { trace: Trace } };

/** What changed between two runs of the same text. */
export function nextChange(before: Seen, after: Seen): NextChange {
  const [a, b] = [logitsAt(before.result.trace, -1), logitsAt(after.result.trace, -1)];
  if (!a || !b || !writesOn(before.result.trace))
    return { kl: Number.NaN, before: [], after: [], lossBefore: null, lossAfter: null, target: null };
  const was = topOf(a, before.source, 12);
  const [pa, pb] = [logProbabilities(a), logProbabilities(b)];
  const shown = new Set([...was.slice(0, 8).map((g) => g.id), ...topOf(b, after.source, 8).map((g) => g.id)]);
  const list = (log: Float64Array): Guess[] =>
    [...shown].map((id) => ({ id, text: before.source.word?.(id) ?? `${id}`, probability: Math.exp(log[id]!) }));
  const first = was[0]!;
  return {
    kl: divergence(a, b),
    before: list(pa),
    after: list(pb),
    lossBefore: meanLoss(before.result.trace),
    lossAfter: meanLoss(after.result.trace),
    target: { text: first.text, before: a[first.id]!, after: b[first.id]! },
  };
}
