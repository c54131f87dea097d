/** @file One query and one key: what enters their score, and whether they may meet at all. */
import type { QkCall } from "./record.js";

/** The numbers behind one weight: see `QkRecord.pair`. */
export interface PairNumbers {
  q: Float32Array;
  k: Float32Array;
  dot: number;
  scale: number;
  scaled: number;
  capped: number;
  /** Bias of the position or the caller, ALiBi included. */
  bias: number;
  masked: boolean;
  score: number;
  lse: number;
  weight: number;
  /** The weight was given by hand; from q and k it would be e^(score − lse). */
  given: boolean;
}

/** What is added to the score of a pair: the bias and ALiBi. */
export function biasAt(call: QkCall, b: number, h: number, i: number, j: number): number {
  const { bias, alibi } = call;
  const own = bias
    ? bias.tensor.data[
        bias.offset + b * bias.strides[0] + h * bias.strides[1] + i * bias.strides[2] + j * bias.strides[3]
      ]!
    : 0;
  return alibi ? own - alibi.slopes[h]! * Math.abs(alibi.queryOffset + i - j) : own;
}

/** Whether a pair may attend: `AttentionRule`, read for one pair. */
export function mayAttend({ rule, queries }: QkCall, b: number, h: number, i: number, j: number): boolean {
  const r = rule.perBatch ? b * queries + i : i;
  if (j < rule.first[r]! || j >= rule.end[r]!) return false;
  const { keyMask, mask, documents, blocks } = rule;
  if (keyMask && keyMask.data[b * keyMask.batchStride + j] === 0) return false;
  if (mask) {
    const [sb, sh, sq, sk] = mask.strides;
    if (mask.data[b * sb + h * sh + i * sq + j * sk] === 0) return false;
  }
  if (documents) {
    const { query, key, queryStride, keyStride } = documents;
    if (query[b * queryStride + i] !== key[b * keyStride + j]) return false;
  }
  if (blocks) {
    const [sb, sh, sq, sk] = blocks.strides;
    const at = b * sb + h * sh + Math.floor(i / blocks.size) * sq + Math.floor(j / blocks.size) * sk;
    if (blocks.data[at] === 0) return false;
  }
  return true;
}
