/**
 * @file Attention whose weights are φ(q)·φ(k) over their sum. Katharopoulos et al. 2020 (arXiv:2006.16236) eq. 5–9.
 *     o_i = φ(q_i)·Σ_j φ(k_j) v_jᵀ / (φ(q_i)·(Σ_j φ(k_j) + extra)),      j over all keys, or j ≤ i
 */
import { ops } from "../../kernels/current.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import type { Problem } from "./operands.js";
import { nonZero } from "./parts.js";
import { chunked, recurrent } from "./recurrence.js";
import { blank, finite, spreadHeads } from "./rows.js";

export interface KernelAttentionOptions {
  /** Added to every summed key feature of the denominator. */
  extra: number;
  /** Tokens computed at once when causal; Infinity is the parallel form, 1 the recurrent one. */
  chunk: number;
}

/** From features q [B, H, Lq, m] and k [B, Hk, Lk, m]; a row that sees nothing gives zeros. */
export function kernelAttention(p: Problem, q: Tensor, k: Tensor, { extra, chunk }: KernelAttentionOptions): Tensor {
  const o = ops();
  const present = blank(k, p.keyMask);
  const v = withOnes(blank(p.v, p.keyMask)); // the last column sums the features themselves
  const sums = p.causal ? causalSums(p, q, present, v, chunk) : fullSums(p, q, present, v); // [B, H, Lq, Dv + 1]
  const Dv = p.valueDim;
  const mixed = o.slice(sums, 3, 0, Dv);
  const total = o.slice(sums, 3, Dv, Dv + 1);
  if (extra === 0) return o.binary("divide", mixed, nonZero(total));
  const added = o.affine(o.reduce("sum", q, [3]), extra);
  return o.binary("divide", mixed, nonZero(o.binary("add", total, added)));
}

function withOnes(v: Tensor): Tensor {
  const [B, H, L] = v.shape as [number, number, number];
  return ops().concat([v, tensor(new Float32Array(B * H * L).fill(1), [B, H, L, 1])], 3);
}

function fullSums(p: Problem, q: Tensor, k: Tensor, v: Tensor): Tensor {
  const state = ops().matmul(k, v, { transposeA: true }); // [B, Hk, m, Dv + 1]
  return ops().matmul(q, spreadHeads(state, p.heads));
}

function causalSums(p: Problem, q: Tensor, k: Tensor, v: Tensor, chunk: number): Tensor {
  const o = ops();
  const rows = (x: Tensor) => o.reshape(x, [p.batch * p.heads, x.shape[2]!, x.shape[3]!]);
  const given = { q: rows(q), k: rows(spreadHeads(k, p.heads)), v: rows(spreadHeads(v, p.heads)) };
  // Within a chunk later keys are multiplied by 0, which does not silence NaN: then token by token.
  const whole = chunk === 1 || !finite(given.k, given.v) ? recurrent(given) : chunked(given, chunk);
  return o.reshape(whole.output, [p.batch, p.heads, p.queries, v.shape[3]!]);
}
