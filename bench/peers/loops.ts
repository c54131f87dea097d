/** @file What a program without any library does: plain loops over Float32Arrays. */
import type { AttentionCall } from "../../src/kernels/index.js";

export function loops({ heads, queries: Lq, keys: Lk, headDim: D, scale, rule, q, k, v }: AttentionCall): Float32Array {
  const [qs, ks, vs] = [q.tensor.data, k.tensor.data, v.tensor.data];
  const out = new Float32Array(heads * Lq * D);
  const s = new Float32Array(Lk);
  for (let h = 0; h < heads; h++) {
    const [qh, kh] = [h * Lq * D, h * Lk * D];
    for (let i = 0; i < Lq; i++) {
      const [from, to] = [rule.first[i]!, rule.end[i]!];
      let top = Number.NEGATIVE_INFINITY;
      for (let j = from; j < to; j++) {
        let sum = 0;
        for (let d = 0; d < D; d++) sum += qs[qh + i * D + d]! * ks[kh + j * D + d]!;
        s[j] = sum * scale;
        if (s[j]! > top) top = s[j]!;
      }
      let total = 0;
      for (let j = from; j < to; j++) total += s[j] = Math.exp(s[j]! - top);
      for (let j = from; j < to; j++) {
        const p = s[j]! / total;
        for (let d = 0; d < D; d++) out[qh + i * D + d]! += p * vs[kh + j * D + d]!;
      }
    }
  }
  return out;
}

/** c = a·wᵀ, a [M, K], w [N, K]. */
export function productLoops(a: Float32Array, w: Float32Array, M: number, K: number, N: number): Float32Array {
  const c = new Float32Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[m * K + k]! * w[n * K + k]!;
      c[m * N + n] = sum;
    }
  }
  return c;
}
