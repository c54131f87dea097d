/** @file Some rows of the exact result, in float64: enough to see an error, cheap enough for any size. */
import type { AttentionCall } from "../../src/kernels/index.js";

/** First, middle and last row of the first and last head: index in [H, Lq, D] → value. */
export function exactRows({
  heads,
  queries: Lq,
  keys: Lk,
  headDim: D,
  scale,
  rule,
  q,
  k,
  v,
}: AttentionCall): Map<number, number> {
  const [qs, ks, vs] = [q.tensor.data, k.tensor.data, v.tensor.data];
  const out = new Map<number, number>();
  for (const h of new Set([0, heads - 1])) {
    for (const i of new Set([0, Lq >> 1, Lq - 1])) {
      const s: number[] = [];
      for (let j = rule.first[i]!; j < rule.end[i]!; j++) {
        let sum = 0;
        for (let d = 0; d < D; d++) sum += qs[(h * Lq + i) * D + d]! * ks[(h * Lk + j) * D + d]!;
        s.push(sum * scale);
      }
      const top = s.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const e = s.map((x) => Math.exp(x - top));
      const total = e.reduce((a, b) => a + b, 0);
      for (let d = 0; d < D; d++) {
        const value = e.reduce((sum, p, n) => sum + p * vs[(h * Lk + rule.first[i]! + n) * D + d]!, 0);
        out.set((h * Lq + i) * D + d, value / total);
      }
    }
  }
  return out;
}
