/** @file The mistakes, each as a formula beside the right one. Ids are the rules of `qkv check`. */
import type { AttentionCall } from "../../../kernels/kernel.js";
import type { Model } from "../../../models/index.js";
import type { Trace } from "../../../trace/index.js";
import { all, corner, groups, keyHead, row, rule, scores, softmax, splitRow } from "./formulas.js";
import { normedAfter, otherRotation, padded, type Whole, withoutResidual } from "./readings.js";

/** A mistake on one head: weights [Lq, Lk] from scores, or another way of putting the heads together. */
export interface Gotcha {
  id: string;
  /** Weights of head h of batch item b. */
  weights?(call: AttentionCall, b: number, h: number): Float64Array;
  /** Heads merged without being transposed first: the map stays right, the output is scrambled. */
  scrambled?: boolean;
  /** Heads split without being transposed first: q, k and v of a head are pieces of other tokens. */
  split?: boolean;
  /** A mistake outside attention: the model read right and wrong, as two traces with maps and logits. */
  whole?(model: Model, text: string, right: Trace): Whole;
  /** A case of its own, on a few tokens of this run. */
  small?(call: AttentionCall, head: number): { size: number; right: Float32Array; wrong: Float32Array };
}

const scaled =
  (factor: (c: AttentionCall) => number) =>
  (c: AttentionCall, b: number, h: number): Float64Array =>
    softmax(scores(c, b, h, c.scale * factor(c)), c.queries, c.keys, rule(c, b, h));

export const gotchas: readonly Gotcha[] = [
  { id: "scale-missing", weights: scaled((c) => Math.sqrt(c.headDim)) },
  { id: "scale-d_model", weights: scaled((c) => 1 / Math.sqrt(c.heads)) },
  {
    id: "mask-multiplied-before-softmax",
    weights(c, b, h) {
      const may = rule(c, b, h);
      const s = scores(c, b, h).map((x, n) => (may(Math.floor(n / c.keys), n % c.keys) ? x : 0));
      return softmax(s, c.queries, c.keys, all);
    },
  },
  {
    id: "mask-after-softmax",
    weights(c, b, h) {
      const may = rule(c, b, h);
      return softmax(scores(c, b, h), c.queries, c.keys, all).map((w, n) =>
        may(Math.floor(n / c.keys), n % c.keys) ? w : 0,
      );
    },
  },
  {
    id: "causal-reversed",
    weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, (i, j) => j > i + corner(c)),
  },
  {
    id: "causal-off-by-one",
    weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, (i, j) => j <= i + corner(c) + 1),
  },
  { id: "future-leak", weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, all) },
  {
    id: "softmax-axis",
    weights(c, b, h) {
      const [s, may] = [scores(c, b, h), rule(c, b, h)];
      const turned = Float64Array.from(s, (_, n) => s[(n % c.queries) * c.keys + Math.floor(n / c.queries)]!);
      const w = softmax(turned, c.keys, c.queries, (j, i) => may(i, j));
      return Float64Array.from(s, (_, n) => w[(n % c.keys) * c.queries + Math.floor(n / c.keys)]!);
    },
  },
  {
    id: "softmax-missing",
    weights(c, b, h) {
      const may = rule(c, b, h);
      return scores(c, b, h).map((x, n) => (may(Math.floor(n / c.keys), n % c.keys) ? x : 0));
    },
  },
  { id: "heads-merged-without-transpose", scrambled: true },
  {
    id: "gqa-tile-for-repeat",
    weights: (c, b, h) => {
      const shared = c.keyHeads < c.heads;
      // Where no heads are shared, a wrong order of as many groups as heads come in pairs: head h asks group h mod groups.
      const group = shared ? h % c.keyHeads : (h % groups(c)) * Math.floor(c.heads / groups(c));
      return softmax(scores(c, b, h, c.scale, group), c.queries, c.keys, rule(c, b, h));
    },
  },
  { id: "scale-twice", weights: scaled((c) => 1 / Math.sqrt(c.headDim)) },
  {
    id: "heads-split-without-transpose",
    split: true,
    weights: (c, b, h) => softmax(scores(c, b, h, c.scale, keyHead(c, h), splitRow), c.queries, c.keys, rule(c, b, h)),
  },
  { id: "batch-transposed", small: transposedBatch },
  { id: "padding-leak", whole: (model, _, right) => padded(model, right, "no mask") },
  { id: "left-pad-positions", whole: (model, _, right) => padded(model, right, "positions count pads") },
  {
    id: "rope-layout",
    whole: (model, text, right) => ({ right, wrong: otherRotation(model, text) }),
  },
  {
    id: "residual-missing",
    whole: (model, text, right) => ({ right, wrong: withoutResidual(model, text) }),
  },
  { id: "norm-order", whole: normedAfter },
];

/**
 * `K.T` on a batch where batch, length and size are equal, so that nothing complains: matmul(Q, K.T)[b] is
 * Σ_l Q[b, i, l]·K[c, l, b]. The other texts of the batch are this one, begun one token later each.
 */
function transposedBatch(c: AttentionCall, head: number): { size: number; right: Float32Array; wrong: Float32Array } {
  const n = Math.min(c.queries, c.keys, c.headDim, 24);
  const at = (x: AttentionCall["q"], h: number, text: number, token: number, d: number): number =>
    x.tensor.data[row(x, 0, h, (token + text) % n, 0, 0) + d]!;
  const score = (wrong: boolean) =>
    Float64Array.from({ length: n * n }, (_, m) => {
      const [i, j] = [Math.floor(m / n), m % n];
      let s = 0;
      for (let d = 0; d < n; d++)
        s += at(c.q, head, 0, i, d) * (wrong ? at(c.k, keyHead(c, head), j, d, 0) : at(c.k, keyHead(c, head), 0, j, d));
      return s / Math.sqrt(n);
    });
  const past = (i: number, j: number): boolean => j <= i;
  const right = Float32Array.from(softmax(score(false), n, n, past), (w, m) =>
    m % n > Math.floor(m / n) ? Number.NaN : w,
  );
  return { size: n, right, wrong: Float32Array.from(softmax(score(true), n, n, past)) };
}
