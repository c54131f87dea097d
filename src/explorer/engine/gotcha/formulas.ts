/** @file One head by plain loops: scores and softmax, with every step open to be done wrong. */
import type { AttentionCall } from "../../../kernels/kernel.js";
import { biasAt, mayAttend } from "../../../trace/index.js";

type Place = (x: AttentionCall["q"], b: number, h: number, i: number, heads: number, length: number) => number;
export const row: Place = (x, b, h, i) => x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2];
/** [L, H·d] read as if it were [H, L, d]: slot h·L + i is another token's, mostly another head's. */
export const splitRow: Place = (x, b, h, i, heads, length) =>
  row(x, b, (h * length + i) % heads, Math.floor((h * length + i) / heads), heads, length);
/** Key heads that are shared; a model that shares none is read as if each pair of heads did. */
export const groups = (c: AttentionCall): number =>
  c.keyHeads < c.heads ? c.keyHeads : Math.max(1, Math.floor(c.heads / 2));
export const keyHead = (c: AttentionCall, h: number): number => Math.floor((h * c.keyHeads) / c.heads);

/** Scores of a head, [Lq, Lk], before any mask. */
export function scores(
  c: AttentionCall,
  b: number,
  h: number,
  scale = c.scale,
  group = keyHead(c, h),
  place = row,
): Float64Array {
  const out = new Float64Array(c.queries * c.keys);
  const [q, k] = [c.q.tensor.data, c.k.tensor.data];
  for (let i = 0; i < c.queries; i++) {
    const qi = place(c.q, b, h, i, c.heads, c.queries);
    for (let j = 0; j < c.keys; j++) {
      const kj = place(c.k, b, group, j, c.keyHeads, c.keys);
      let dot = 0;
      for (let d = 0; d < c.headDim; d++) dot += q[qi + d]! * k[kj + d]!;
      const s = scale * dot;
      out[i * c.keys + j] = (c.softcap ? c.softcap * Math.tanh(s / c.softcap) : s) + biasAt(c, b, h, i, j);
    }
  }
  return out;
}

/** Softmax along rows over the pairs that `may` allows; nothing allowed gives zeros. */
export function softmax(
  s: Float64Array,
  rows: number,
  columns: number,
  may: (i: number, j: number) => boolean,
): Float64Array {
  const out = new Float64Array(s.length);
  for (let i = 0; i < rows; i++) {
    let most = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < columns; j++) if (may(i, j)) most = Math.max(most, s[i * columns + j]!);
    let sum = 0;
    for (let j = 0; j < columns; j++) if (may(i, j)) sum += out[i * columns + j] = Math.exp(s[i * columns + j]! - most);
    for (let j = 0; sum > 0 && j < columns; j++) out[i * columns + j]! /= sum;
  }
  return out;
}

export const rule =
  (c: AttentionCall, b: number, h: number) =>
  (i: number, j: number): boolean =>
    mayAttend(c, b, h, i, j);
export const all = (): boolean => true;
/** The diagonal in keys: query i stands at key i + this. */
export const corner = (c: AttentionCall): number => c.keys - c.queries;
