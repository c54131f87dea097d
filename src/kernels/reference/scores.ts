/**
 * @file The scores of one query row: s_j = softcap(scale · q·k_j) + bias − slope·|p_i − j| for every key it sees.
 *
 * A pair whose score is −∞ is a masked pair: a bias of −∞ is checked before the key is read, so what stands there, even
 * NaN, is never met. Scratch is one row long and reused.
 */
import type { AttentionCall } from "../kernel.js";
import { keyHeadOf, rowStart } from "../layout.js";
import { visibleKeys } from "../rule.js";

/** All of a call that the scores depend on. */
export type ScoredCall = Omit<AttentionCall, "v" | "valueDim">;

/** The keys a query sees and their scores; the first `count` entries hold. Overwritten by the next row. */
export interface Row {
  count: number;
  readonly keys: Int32Array;
  readonly scores: Float64Array;
  /** d score / d (scale · q·k): 1 − tanh² under a softcap, else 1. */
  readonly steepness: Float64Array;
  /** Slope of the score function, else 1. */
  readonly bend: Float64Array;
}

/** Reads row i of head h of batch item b, keys [from, to) only. */
export type RowReader = (b: number, h: number, i: number, from?: number, to?: number) => Row;

/** @param slopes whether the slope of a score function is wanted too */
export function rowReader(call: ScoredCall, slopes = false): RowReader {
  const { heads, keyHeads, keys: Lk, headDim: D, scale, softcap, bias, alibi, scoreMod } = call;
  const [qs, ks, biases] = [call.q.tensor.data, call.k.tensor.data, bias?.tensor.data];
  const seen = new Int32Array(Lk);
  const row: Row = {
    count: 0,
    keys: new Int32Array(Lk),
    scores: new Float64Array(Lk),
    steepness: new Float64Array(Lk).fill(1),
    bend: new Float64Array(Lk).fill(1),
  };
  return (b, h, i, from = 0, to = Lk) => {
    const visible = visibleKeys(call, b, h, i, seen, from, to);
    const q = rowStart(call.q, b, h, i);
    const kHead = keyHeadOf(h, heads, keyHeads);
    row.count = 0;
    for (let n = 0; n < visible; n++) {
      const j = seen[n];
      let added = 0;
      if (bias && biases) {
        const [s0, s1, s2, s3] = bias.strides;
        added = biases[bias.offset + b * s0 + h * s1 + i * s2 + j * s3];
        if (added === Number.NEGATIVE_INFINITY) continue;
      }
      const k = rowStart(call.k, b, kHead, j);
      let s = 0;
      for (let d = 0; d < D; d++) s += qs[q + d] * ks[k + d];
      s *= scale;
      if (softcap) {
        const t = Math.tanh(s / softcap);
        row.steepness[row.count] = 1 - t * t;
        s = softcap * t;
      }
      if (bias) s += added;
      if (alibi) s -= alibi.slopes[h] * Math.abs(alibi.queryOffset + i - j);
      if (scoreMod) {
        if (slopes) row.bend[row.count] = slopeAt((x) => scoreMod(x, b, h, i, j), s);
        s = scoreMod(s, b, h, i, j);
      }
      if (s === Number.NEGATIVE_INFINITY) continue;
      row.keys[row.count] = j;
      row.scores[row.count++] = s;
    }
    return row;
  };
}

/**
 * Turns the scores of a row into its softmax weights, in place.
 * @param sink one more logit, which has no value: it takes weight and gives nothing
 * @returns ln Σ e^s; −∞ when the row sees nothing, with or without a sink
 */
export function softmaxInPlace(row: Row, sink = Number.NEGATIVE_INFINITY): number {
  const { count, scores } = row;
  if (count === 0) return Number.NEGATIVE_INFINITY;
  let m = sink;
  for (let n = 0; n < count; n++) m = Math.max(m, scores[n]); // NaN stays NaN
  let l = Math.exp(sink - m);
  for (let n = 0; n < count; n++) l += scores[n] = Math.exp(scores[n] - m); // ≤ 1: cannot overflow
  for (let n = 0; n < count; n++) scores[n] /= l;
  return m + Math.log(l);
}

/** f′(x) by central difference. Its error h² + ε/h is least near h = ∛ε, relative to x. */
function slopeAt(f: (x: number) => number, x: number): number {
  const h = 2 ** -17 * Math.max(1, Math.abs(x));
  return (f(x + h) - f(x - h)) / (2 * h);
}
