/**
 * @file Exact attention over a union of key sets, a set at a time.
 *
 * A kernel reads one interval of keys per query. A pattern such as "window and global tokens" is a union of disjoint
 * sets A, B …; each is one attention with its own log-sum-exp l, and
 *     o = (e^lA·oA + e^lB·oB) / (e^lA + e^lB)
 * is the attention over A ∪ B, exactly (Milakov & Gimelshein 2018, arXiv:1805.02867 §3; Dao et al. 2022,
 * arXiv:2205.14135 §3.1). A key that stands in two sets counts twice, which is what some patterns ask for.
 */
import { ops } from "../../kernels/current.js";
import type { AttentionResult, AttentionRule } from "../../kernels/kernel.js";
import { contiguousHeads } from "../../kernels/layout.js";
import { type Tensor, tensor } from "../../tensor/index.js";

/** Which keys a query may see: [first, end). */
export type Interval = (query: number, batch: number) => readonly [first: number, end: number];

/**
 * The rule for one interval per query, clipped to 0 … keys.
 * @param perBatch how many batch items have intervals of their own; without it all share one set
 */
export function intervals(queries: number, keys: number, interval: Interval, perBatch?: number): AttentionRule {
  const items = perBatch ?? 1;
  const first = new Int32Array(items * queries);
  const end = new Int32Array(items * queries);
  for (let b = 0, r = 0; b < items; b++) {
    for (let i = 0; i < queries; i++, r++) {
      const [from, to] = interval(i, b);
      first[r] = Math.min(Math.max(from, 0), keys);
      end[r] = Math.min(Math.max(to, first[r]!), keys);
    }
  }
  return { first, end, perBatch: perBatch !== undefined };
}

/** A rule that also leaves out absent keys; `keyMask` [B, Lk]. */
export function without(rule: AttentionRule, keyMask: Uint8Array | undefined, keys: number): AttentionRule {
  return keyMask ? { ...rule, keyMask: { data: keyMask, batchStride: keys } } : rule;
}

/** Attention over contiguous operands q [B, H, Lq, D], k [B, Hk, Lk, D], v [B, Hk, Lk, Dv]. */
export function attend(q: Tensor, k: Tensor, v: Tensor, scale: number, rule: AttentionRule): AttentionResult {
  const [batch, heads, queries, headDim] = q.shape as [number, number, number, number];
  const [, keyHeads, keys] = k.shape as [number, number, number, number];
  return ops().attention({
    batch, heads, keyHeads, queries, keys, headDim, valueDim: v.shape[3]!,
    q: contiguousHeads(q), k: contiguousHeads(k), v: contiguousHeads(v), scale, rule,
  }); // biome-ignore format: one field after the other
}

/**
 * Joins attentions over disjoint key sets; outputs [B, H, Lq, Dv], log-sum-exps [B, H, Lq]. A row that is empty in
 * every part stays zeros. Cost: a few operations per number of the output.
 */
export function merge(parts: readonly AttentionResult[]): Tensor {
  if (parts.length === 1) return parts[0]!.output;
  const o = ops();
  const shape = parts[0]!.lse.shape;
  const top = tensor(largest(parts.map((p) => p.lse.data)), shape);
  let sum: Tensor | undefined;
  let mixed: Tensor | undefined;
  for (const { output, lse } of parts) {
    const weight = o.reshape(o.unary("exp", o.binary("subtract", lse, top)), [...shape, 1]);
    const share = o.binary("multiply", output, weight);
    sum = sum ? o.binary("add", sum, weight) : weight;
    mixed = mixed ? o.binary("add", mixed, share) : share;
  }
  return o.binary("divide", mixed!, nonZero(sum!));
}

/** The same where the parts lie along axis 2: output [B, H, R, L, Dv], lse [B, H, R, L] → [B, H, L, Dv]. */
export function mergeRounds(output: Tensor, lse: Tensor): Tensor {
  const o = ops();
  const [B, H, R, L] = lse.shape as [number, number, number, number];
  const Dv = output.shape[4]!;
  if (R === 1) return o.reshape(output, [B, H, L, Dv]);
  const top = new Float32Array(B * H * L).fill(lowest);
  const l = lse.data;
  for (let n = 0, at = 0; n < B * H; n++) {
    for (let r = 0; r < R; r++) for (let i = 0; i < L; i++, at++) top[n * L + i] = Math.max(top[n * L + i]!, l[at]!);
  }
  const weight = o.unary("exp", o.binary("subtract", lse, tensor(top, [B, H, 1, L])));
  const mixed = o.reduce("sum", o.binary("multiply", output, o.reshape(weight, [B, H, R, L, 1])), [2]);
  const sum = o.reshape(o.reduce("sum", weight, [2]), [B, H, L, 1]);
  return o.binary("divide", o.reshape(mixed, [B, H, L, Dv]), nonZero(sum));
}

/** Below every score, above −∞, so that "empty minus largest" is −∞ and not NaN. */
const lowest = -1e30;

/** Any shift gives the same quotient, so the largest log-sum-exp is taken as a plain number and has no slope. */
function largest(rows: readonly ArrayLike<number>[]): Float32Array {
  const top = new Float32Array(rows[0]!.length).fill(lowest);
  for (const row of rows) for (let i = 0; i < top.length; i++) top[i] = Math.max(top[i]!, row[i]!);
  return top;
}

/** A divisor whose zeros, where nothing was seen and the dividend is zero too, are replaced by one. */
export function nonZero(divisor: Tensor): Tensor {
  const data = divisor.data;
  if (!data.includes(0)) return divisor;
  return ops().binary(
    "add",
    divisor,
    tensor(
      Float32Array.from(data, (x) => (x === 0 ? 1 : 0)),
      divisor.shape,
    ),
  );
}
