/** @file The mistakes, each as a formula beside the right one. Ids are the rules of `qkv check`. */
import type { AttentionCall } from "../../../kernels/kernel.js";
import type { Model } from "../../../models/index.js";
import type { Trace } from "../../../trace/index.js";
import { all, corner, groups, keyHead, row, rule, scores, softmax, splitRow } from "./formulas.js";
import type { Kind } from "../protocol.js";
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
  /** Why it cannot be made here, or what the reader should know of how it is made. */
  here?(at: Here): { not: string } | { note: string } | undefined;
  /** A case of its own, on a few tokens of this run. */
  small?(call: AttentionCall, head: number): { size: number; right: Float32Array; wrong: Float32Array };
}

/** Where the mistake is to be made. */
export interface Here {
  call: Pick<AttentionCall, "heads" | "keyHeads" | "scale" | "headDim">;
  kind: Kind;
  /** Some pair may not attend; later tokens may not be seen. */
  hides: boolean;
  causal: boolean;
  model: string;
  /** An ONNX graph: its factor may lie in q already. */
  graph: boolean;
}

const noMask = ({ hides, model, kind }: Here) =>
  hides
    ? undefined
    : { not: `Nothing is hidden here: ${kind === "cross" ? "the decoder may look at the whole source" : "every token may look at every other"}, and nothing is padded. So there is no mask in ${model}'s ${attentionName[kind]} to apply wrongly. A GPT, a Llama, a T5's decoder or the bundled model has one.` }; // biome-ignore format: one sentence
const noTriangle = ({ causal, model, kind }: Here) =>
  causal
    ? undefined
    : { not: `${model}'s ${attentionName[kind]} hides no future, so there is no triangle to get wrong. A GPT, a Llama, a T5's decoder or the bundled model has one.` }; // biome-ignore format: one sentence
const noScale = ({ call, model, graph }: Here) =>
  graph
    ? { note: `The attention of ${model} is found with its factor already in q, so what a graph divides by cannot be told from outside; 1/√d is taken for it. An exported T5 divides by nothing.` }
    : call.scale === 1
    ? { not: `${model} divides by nothing: its weights were trained to be small enough (as T5's are), so there is no 1/√d to leave out or to get wrong. See “1/√d where there is none” for what dividing does to it.` }
    : undefined; // biome-ignore format: one sentence
const oneHead = ({ call, model }: Here) =>
  call.heads === 1 ? { not: `${model} has one head a layer: there is nothing to lay out wrongly.` } : undefined;
const attentionName: Record<Kind, string> = {
  self: "attention",
  encoder: "encoder",
  decoder: "decoder",
  cross: "cross-attention",
};

const scaled =
  (factor: (c: AttentionCall) => number) =>
  (c: AttentionCall, b: number, h: number): Float64Array =>
    softmax(scores(c, b, h, c.scale * factor(c)), c.queries, c.keys, rule(c, b, h));

export const gotchas: readonly Gotcha[] = [
  { id: "scale-missing", here: noScale, weights: scaled((c) => Math.sqrt(c.headDim)) },
  { id: "scale-d_model", here: (at) => oneHead(at) ?? noScale(at), weights: scaled((c) => 1 / Math.sqrt(c.heads)) },
  {
    id: "mask-multiplied-before-softmax",
    here: noMask,
    weights(c, b, h) {
      const may = rule(c, b, h);
      const s = scores(c, b, h).map((x, n) => (may(Math.floor(n / c.keys), n % c.keys) ? x : 0));
      return softmax(s, c.queries, c.keys, all);
    },
  },
  {
    id: "mask-after-softmax",
    here: noMask,
    weights(c, b, h) {
      const may = rule(c, b, h);
      return softmax(scores(c, b, h), c.queries, c.keys, all).map((w, n) =>
        may(Math.floor(n / c.keys), n % c.keys) ? w : 0,
      );
    },
  },
  {
    id: "causal-reversed",
    here: noTriangle,
    weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, (i, j) => j > i + corner(c)),
  },
  {
    id: "causal-off-by-one",
    here: noTriangle,
    weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, (i, j) => j <= i + corner(c) + 1),
  },
  { id: "future-leak", here: noTriangle, weights: (c, b, h) => softmax(scores(c, b, h), c.queries, c.keys, all) },
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
  { id: "heads-merged-without-transpose", here: oneHead, scrambled: true },
  {
    id: "gqa-tile-for-repeat",
    here: ({ call, model }) =>
      call.keyHeads === 1
        ? { not: `In ${model} all query heads of a layer read one key head: there is no order to get wrong.` }
        : call.keyHeads === call.heads
          ? { note: `${model} shares no key heads. Shown is what becomes of it if its heads are read as if each pair shared one, in the wrong order; a Llama or Mistral with grouped heads makes the mistake itself.` }
          : undefined, // biome-ignore format: one sentence each
    weights: (c, b, h) => {
      const shared = c.keyHeads < c.heads;
      // Where no heads are shared, a wrong order of as many groups as heads come in pairs: head h asks group h mod groups.
      const group = shared ? h % c.keyHeads : (h % groups(c)) * Math.floor(c.heads / groups(c));
      return softmax(scores(c, b, h, c.scale, group), c.queries, c.keys, rule(c, b, h));
    },
  },
  {
    id: "scale-twice",
    here: ({ call, model }) =>
      call.scale === 1
        ? undefined
        : { note: `${model} was trained with its factor of ${Number(call.scale.toPrecision(4))}. Dividing once more does to it what dividing once does to a T5, whose weights were trained without.` },
    weights: scaled((c) => 1 / Math.sqrt(c.headDim)),
  }, // biome-ignore format: one sentence
  {
    id: "heads-split-without-transpose",
    here: oneHead,
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
