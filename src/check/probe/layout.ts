/**
 * @file Buffers read or written in another order of axes than they have.
 *
 * A reshape keeps the numbers where they are; only a transpose moves them. Most wrong head handling is one mistaken for
 * the other, so each is a relabelling of the problem before attention and of the output after it.
 */
import type { Problem } from "./problem.js";

export interface Layout {
  /** The problem the candidate solves instead. */
  before(p: Problem): Problem;
  /** Its output, in the places where the candidate puts it. `p` is the problem that was asked. */
  after(output: Float64Array, p: Problem): Float64Array;
}

type Axes = [number, number, number, number];

/** Copies x of shape [a0, a1, a2, a3] so that axis n of the result is axis order[n] of x. */
export function transpose<A extends Float32Array | Float64Array>(x: A, shape: Axes, order: Axes): A {
  const out = x.slice() as A;
  const strides = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
  const [s0, s1, s2, s3] = order.map((a) => strides[a]!) as Axes;
  const [n0, n1, n2, n3] = order.map((a) => shape[a]!) as Axes;
  let n = 0;
  for (let a = 0; a < n0; a++)
    for (let b = 0; b < n1; b++)
      for (let c = 0; c < n2; c++) for (let d = 0; d < n3; d++) out[n++] = x[a * s0 + b * s1 + c * s2 + d * s3]!;
  return out;
}

const swap: Axes = [0, 2, 1, 3];
const asIs = (output: Float64Array) => output;

/** A [B, H, L, D] buffer taken for [B, L, H, D] and transposed to heads first. */
const misread = (x: Float32Array, B: number, H: number, L: number, D: number) => transpose(x, [B, L, H, D], swap);

/** Operands named are taken for [B, L, H, D]; the output is written right. */
export function readTransposed(operands: { q?: boolean; k?: boolean; v?: boolean }): Layout {
  return {
    before: (p) => ({
      ...p,
      q: operands.q ? misread(p.q, p.B, p.H, p.Lq, p.D) : p.q,
      k: operands.k ? misread(p.k, p.B, p.Hk, p.Lk, p.D) : p.k,
      v: operands.v ? misread(p.v, p.B, p.Hk, p.Lk, p.Dv) : p.v,
    }),
    after: asIs,
  };
}

/** The output's numbers lie as [B, Lq, H, Dv] where [B, H, Lq, Dv] is said. */
export const writtenTransposed: Layout = {
  before: (p) => p,
  after: (o, p) => transpose(o, [p.B, p.H, p.Lq, p.Dv], swap),
};

/** The output is said to be [B, Lq, H·Dv] and its numbers lie as [B, H, Lq, Dv]. */
export const mergedWithoutTranspose: Layout = {
  before: (p) => p,
  after: (o, p) => transpose(o, [p.B, p.Lq, p.H, p.Dv], swap),
};

/** Read and written as [B, L, H, D]. */
export const throughoutTransposed: Layout = {
  before: readTransposed({ q: true, k: true, v: true }).before,
  after: writtenTransposed.after,
};

/** Axis 1 is taken for the sequence and axis 2 for the heads, as in layouts [B, L, H, D]. */
export const headsAreTheSequence: Layout = {
  before: (p) => ({
    ...p,
    H: p.Lq,
    Hk: p.Lk,
    Lq: p.H,
    Lk: p.Hk,
    q: transpose(p.q, [p.B, p.H, p.Lq, p.D], swap),
    k: transpose(p.k, [p.B, p.Hk, p.Lk, p.D], swap),
    v: transpose(p.v, [p.B, p.Hk, p.Lk, p.Dv], swap),
  }),
  after: (o, p) => transpose(o, [p.B, p.Lq, p.H, p.Dv], swap),
};

/** All heads in one sequence of H·L. */
export const headsInOneSequence: Layout = {
  before: (p) => ({ ...p, H: 1, Hk: 1, Lq: p.H * p.Lq, Lk: p.Hk * p.Lk }),
  after: asIs,
};

/** All batch items in one sequence of B·L, per head. */
export const batchInOneSequence: Layout = {
  before: (p) => {
    const join = (x: Float32Array, H: number, L: number, D: number) => transpose(x, [p.B, H, L, D], [1, 0, 2, 3]);
    return {
      ...p,
      B: 1,
      Lq: p.B * p.Lq,
      Lk: p.B * p.Lk,
      q: join(p.q, p.H, p.Lq, p.D),
      k: join(p.k, p.Hk, p.Lk, p.D),
      v: join(p.v, p.Hk, p.Lk, p.Dv),
    };
  },
  after: (o, p) => transpose(o, [p.H, p.B, p.Lq, p.Dv], [1, 0, 2, 3]),
};

/** Attention runs along axis 0: the batch is taken for the sequence, the sequence for the batch. */
export const batchIsTheSequence: Layout = {
  before: (p) => {
    const turn = (x: Float32Array, H: number, L: number, D: number) => transpose(x, [p.B, H, L, D], [2, 1, 0, 3]);
    return {
      ...p,
      B: p.Lq,
      Lq: p.B,
      Lk: p.B,
      q: turn(p.q, p.H, p.Lq, p.D),
      k: turn(p.k, p.Hk, p.Lk, p.D),
      v: turn(p.v, p.Hk, p.Lk, p.Dv),
    };
  },
  after: (o, p) => transpose(o, [p.Lq, p.H, p.B, p.Dv], [2, 1, 0, 3]),
};

/** Everything in one sequence of B·H·L. */
export const everythingInOneSequence: Layout = {
  before: (p) => ({ ...p, B: 1, H: 1, Hk: 1, Lq: p.B * p.H * p.Lq, Lk: p.B * p.Hk * p.Lk }),
  after: asIs,
};

/** Where numbers of one token land in another, these are seen too: they are signs of it, not mistakes of their own. */
export const signsOfMixedTokens = [
  "batch-dependence",
  "future-leak",
  "padding-leak",
  "mask-on-query-axis",
  "mask-inverted",
  "left-pad-positions",
  "pad-attends-pad",
  "mask-head-order",
  "pad-in-pooling",
  "cache-history-masked",
  "cache-prefill-not-causal",
  "rope-offset-in-cache",
  "causal-dropped-on-a-path",
  "documents-leak-in-pack",
];
