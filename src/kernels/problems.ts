/** @file Problems to time: attention calls and matrices of given sizes, filled by a seeded generator. */
import type { AttentionCall, Kernel } from "./kernel.js";
import { contiguousHeads } from "./layout.js";
import { type Tensor, tensor } from "../tensor/index.js";

/** Numbers in [−1.7, 1.7]: a linear congruential generator, so that every run and every peer sees the same ones. */
export function numbers(shape: readonly number[], seed: number): Tensor {
  let state = seed >>> 0;
  const n = shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state / 2 ** 32) * 3.4 - 1.7;
  }
  return tensor(data, shape);
}

export interface AttentionProblem {
  heads: number;
  queries: number;
  keys: number;
  headDim: number;
  causal: boolean;
  /** Keys a query sees at most: itself and those before it. */
  window?: number;
}

/** q, k, v as [1, H, L, D]. */
export function operands({ heads, queries, keys, headDim }: AttentionProblem): [Tensor, Tensor, Tensor] {
  return [
    numbers([1, heads, queries, headDim], 1),
    numbers([1, heads, keys, headDim], 2),
    numbers([1, heads, keys, headDim], 3),
  ];
}

export function attentionCallOf(p: AttentionProblem, [q, k, v]: readonly [Tensor, Tensor, Tensor]): AttentionCall {
  const { heads, queries, keys, headDim, causal, window } = p;
  const end = Int32Array.from({ length: queries }, (_, i) => (causal ? keys - queries + i + 1 : keys));
  const first = Int32Array.from(end, (e) => (window ? Math.max(0, e - window) : 0));
  return {
    ...{ batch: 1, heads, keyHeads: heads, queries, keys, headDim, valueDim: headDim, scale: 1 / Math.sqrt(headDim) },
    q: contiguousHeads(q),
    k: contiguousHeads(k),
    v: contiguousHeads(v),
    rule: { first, end, perBatch: false },
  };
}

/** Floating-point operations of the pairs that are seen, forward. */
export function flopOf({ rule: { first, end }, batch, heads, headDim, valueDim }: AttentionCall): number {
  const pairs = end.reduce((sum, e, i) => sum + Math.max(0, e - first[i]!), 0);
  return 2 * pairs * batch * heads * (headDim + valueDim);
}

/** A copy in kernel memory, as a model holds it. */
export function owned(kernel: Kernel, x: Tensor): Tensor {
  const copy = kernel.allocate(x.shape);
  copy.data.set(x.data);
  return copy;
}
