/**
 * @file The mistakes everybody makes, each as the wrong formula beside the right one, on the reader's own text and model.
 *
 * A mistake changes the map of every head, and through a listener the whole model, so that what becomes of the next word
 * is measured and not told. Ids are the rules of `qkv check`.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import type { AttentionCall } from "../../kernels/kernel.js";
import type { Model } from "../../models/index.js";
import { OptionError, type Tensor, tensor } from "../../tensor/index.js";
import { biasAt, mayAttend, QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { divergence, logitsAt, meanLoss, topOf, writesOn } from "./predict.js";
import type { Guess, Kind } from "./protocol.js";
import { readText } from "./reading.js";
import type { Source } from "./sources.js";
import { type Watch, watching } from "./watch.js";

/** A mistake on one head: weights [Lq, Lk] from scores, or another way of putting the heads together. */
interface Gotcha {
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

/** Two readings of one text. */
interface Whole {
  right: Trace;
  wrong: Trace;
  /** Tokens that pad the text: in front, behind. */
  pads?: [number, number];
}

type Place = (x: AttentionCall["q"], b: number, h: number, i: number, heads: number, length: number) => number;
const row: Place = (x, b, h, i) => x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2];
/** [L, H·d] read as if it were [H, L, d]: slot h·L + i is another token's, mostly another head's. */
const splitRow: Place = (x, b, h, i, heads, length) =>
  row(x, b, (h * length + i) % heads, Math.floor((h * length + i) / heads), heads, length);
/** Key heads that are shared; a model that shares none is read as if each pair of heads did. */
const groups = (c: AttentionCall): number => (c.keyHeads < c.heads ? c.keyHeads : Math.max(1, Math.floor(c.heads / 2)));
const keyHead = (c: AttentionCall, h: number): number => Math.floor((h * c.keyHeads) / c.heads);

/** Scores of a head, [Lq, Lk], before any mask. */
function scores(
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
function softmax(s: Float64Array, rows: number, columns: number, may: (i: number, j: number) => boolean): Float64Array {
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

const rule =
  (c: AttentionCall, b: number, h: number) =>
  (i: number, j: number): boolean =>
    mayAttend(c, b, h, i, j);
const all = (): boolean => true;
/** The diagonal in keys: query i stands at key i + this. */
const corner = (c: AttentionCall): number => c.keys - c.queries;

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
    whole(model, text, right) {
      let turned = 0;
      const wrong = watching(
        {
          rotary(go, x, cos, sin, positions, o) {
            turned++;
            return go(x, cos, sin, positions, { ...o, interleaved: !o.interleaved });
          },
        },
        () => readText(model, text, wanted).trace,
      );
      if (turned === 0) throw refused("has no rotary positions", "open a Llama, Mistral or Qwen");
      return { right, wrong };
    },
  },
  {
    id: "residual-missing",
    whole: (model, text, right) => ({
      right,
      wrong: watching(
        { linear: (go, x, w, { residual: _, ...o } = {}) => go(x, w, o) },
        () => readText(model, text, wanted).trace,
      ),
    }),
  },
  { id: "norm-order", whole: normedAfter },
];

const wanted = { trace: { logits: true } } as const;

/** The text with four tokens of padding, in front of a decoder's and behind an encoder's, read right and wrong. */
function padded(model: Model, { info }: Trace, how: "no mask" | "positions count pads"): Whole {
  if (model.family === "encoder-decoder") throw refused("has two stacks", "open a GPT, a Llama or a BERT");
  const { ids } = info.sequences[0]!;
  const pads = 4;
  const front = model.family === "decoder" || how === "positions count pads";
  const around = <T>(filling: T, own: readonly T[]): T[] => {
    const fill = Array.from({ length: pads }, () => filling);
    return front ? [...fill, ...own] : [...own, ...fill];
  };
  const all = around(model.padId, ids);
  const mask = around(
    0,
    ids.map(() => 1),
  );
  const counted = all.map((_, i) => Math.max(0, front ? i - pads : i)); // pads stand at 0
  const right = { inputIds: [all], attentionMask: [mask], positionIds: [counted] };
  const wrong =
    how === "no mask" ? { inputIds: [all], positionIds: [counted] } : { ...right, positionIds: [all.map((_, i) => i)] };
  return {
    right: model.forward(right, wanted).trace,
    wrong: model.forward(wrong, wanted).trace,
    pads: front ? [pads, 0] : [0, pads],
  };
}

/** Pre-norm weights run as post-norm: norm(x + f(x)) for x + f(norm(x)). */
function normedAfter(model: Model, text: string, right: Trace): Whole {
  const count = { norms: 0, sums: 0 };
  const counting = <A extends unknown[], R>(go: (...x: A) => R, ...x: A): R => {
    count.norms++;
    return go(...x);
  };
  const sum: NonNullable<Watch["linear"]> = (go, x, w, o) => {
    if (o?.residual) count.sums++;
    return go(x, w, o);
  };
  watching({ layerNorm: counting, rmsNorm: counting, linear: sum }, () => readText(model, text));
  if (count.norms !== count.sums + 1)
    throw refused("does not norm before each part of a block", "open a GPT-2 or a Llama");
  let norms = 0;
  let owed: ((x: Tensor) => Tensor) | undefined;
  const later = (apply: (x: Tensor) => Tensor, x: Tensor): Tensor => {
    if (++norms === count.norms) return apply(x); // the last one stands before the words
    owed = apply;
    return x;
  };
  const wrong = watching(
    {
      layerNorm: (go, x, weight, bias, epsilon) => later((y) => go(y, weight, bias, epsilon), x),
      rmsNorm: (go, x, weight, epsilon) => later((y) => go(y, weight, epsilon), x),
      linear: (go, x, w, o) => {
        const y = go(x, w, o);
        return o?.residual && owed ? owed(y) : y;
      },
    },
    () => readText(model, text, wanted).trace,
  );
  return { right, wrong };
}

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

/** A listener that makes every attention of a run make the mistake. */
function mistaken(gotcha: Gotcha): AttentionListener {
  return {
    after(_site, c, result) {
      const out = result.output.data.slice();
      const merged = c.outputLayout === "merged";
      const at = (b: number, h: number, i: number): number =>
        c.valueDim * (merged ? (b * c.queries + i) * c.heads + h : (b * c.heads + h) * c.queries + i);
      const v = c.v.tensor.data;
      for (let b = 0; b < c.batch; b++) {
        for (let h = 0; h < c.heads && gotcha.weights; h++) {
          const w = gotcha.weights(c, b, h);
          for (let i = 0; i < c.queries; i++) {
            const to = at(b, h, i);
            out.fill(0, to, to + c.valueDim);
            for (let j = 0; j < c.keys; j++) {
              const weight = w[i * c.keys + j]!;
              const from = (gotcha.split ? splitRow : row)(c.v, b, keyHead(c, h), j, c.keyHeads, c.keys);
              for (let d = 0; weight !== 0 && d < c.valueDim; d++) out[to + d]! += weight * v[from + d]!;
            }
          }
        }
        if (gotcha.scrambled) scramble(out, c, b, merged);
      }
      return { ...result, output: tensor(out, result.output.shape) };
    },
  };
}

/** [H, L, D] read as if it were [L, H, D]. */
function scramble(out: Float32Array, c: AttentionCall, b: number, merged: boolean): void {
  const size = c.queries * c.heads * c.valueDim;
  const part = out.subarray(b * size, (b + 1) * size);
  const from = part.slice();
  const D = c.valueDim;
  for (let n = 0; n < c.queries * c.heads; n++) {
    // Slot n of the merged row order gets head ⌊n/L⌋'s row n mod L, instead of head n mod H's row ⌊n/H⌋.
    const [h, i] = [Math.floor(n / c.queries), n % c.queries];
    const [toRow, toHead] = [Math.floor(n / c.heads), n % c.heads];
    const source = merged ? (i * c.heads + h) * D : n * D;
    const target = merged ? n * D : (toHead * c.queries + toRow) * D;
    part.set(from.subarray(source, source + D), target);
  }
}

/** What the page asks and gets. */
export interface GotchaAsked {
  run: number;
  id: string;
  kind: Kind;
  layer: number;
  head: number;
}
export interface GotchaShown {
  rows: number;
  columns: number;
  /** How many of the rows and columns are padding, in front and behind. */
  pads?: [number, number];
  /** NaN = may not attend. */
  right: Float32Array;
  wrong: Float32Array;
  /** Smallest and largest row sum of the wrong map. */
  sums: [number, number];
  /** Weight the wrong map gives to pairs that may not attend, as a share of all of it. */
  leaked: number;
  /** Mean of the largest weight of each row: right, wrong. */
  sharpness: [number, number];
  /** Largest |difference| of a weight. */
  difference: number;
  next?: { right: Guess[]; wrong: Guess[]; kl: number; lossRight: number | null; lossWrong: number | null };
}

const longest = 384;

/** The lab call "gotcha". */
export const gotcha: LabCall = async (asked, options, context) => {
  const { run, id, kind, layer, head } = asked as GotchaAsked;
  const chosen = gotchas.find((g) => g.id === id);
  if (!chosen)
    throw new OptionError({
      where: "gotcha lab",
      argument: "id",
      got: `is "${id}"`,
      expected: gotchas.map((g) => g.id).join(", "),
    });
  const { result, source, text } = context.run(run);
  const record = result.trace.record(layer, kind);
  if (!(record instanceof QkRecord))
    throw refused("holds finished maps only, without q and k", "open a model of ours or a trace with q and k");
  if (record.queries > longest)
    throw refused(
      `has ${record.queries} tokens`,
      `use a text of at most ${longest}: the wrong formulas are plain loops`,
    );
  const model = source.model as Model | undefined;
  if (chosen.whole) {
    if (!model) throw refused("was recorded, and this mistake is made by a model", "open a model");
    return wholeShown(chosen.whole(model, text, result.trace), { layer, kind, head, source });
  }
  const right = visibleWeights(record, { head });
  const call = { ...record.call, v: record.call.k, valueDim: record.call.headDim };
  if (chosen.small) {
    const s = chosen.small(call, head);
    return compared(s.right, s.wrong, s.size, s.size);
  }
  const wrong = chosen.weights
    ? Float32Array.from(chosen.weights(call, 0, head))
    : right.map((w) => (Number.isNaN(w) ? 0 : w));
  await context.breathe();
  options.signal?.throwIfAborted();
  const shown = compared(right, wrong, record.queries, record.keys);
  if (!model || !writesOn(result.trace)) return shown;
  const broken = withListener(mistaken(chosen), () => readText(model, text, wanted)).trace;
  const [a, b] = [logitsAt(result.trace, -1)!, logitsAt(broken, -1)!];
  const next = {
    right: topOf(a, source, 6),
    wrong: topOf(b, source, 6),
    kl: divergence(a, b),
    lossRight: meanLoss(result.trace),
    lossWrong: meanLoss(broken),
  };
  return { ...shown, next } satisfies GotchaShown;
};

/** Two readings as the page shows them. */
function wholeShown(
  { right, wrong, pads }: Whole,
  at: { layer: number; kind: Kind; head: number; source: Source },
): GotchaShown {
  const [a, b] = [right.record(at.layer, at.kind), wrong.record(at.layer, at.kind)];
  const shown = compared(
    visibleWeights(a, { head: at.head }),
    visibleWeights(b, { head: at.head }).map((w) => (Number.isNaN(w) ? 0 : w)),
    a.queries,
    a.keys,
    pads,
  );
  const last = -1 - (pads?.[1] ?? 0);
  const [x, y] = [logitsAt(right, last), logitsAt(wrong, last)];
  if (!x || !y || !writesOn(right)) return { ...shown, ...(pads && { pads }) };
  const loss = (trace: Trace): number | null => (pads ? null : meanLoss(trace));
  const next = {
    right: topOf(x, at.source, 6),
    wrong: topOf(y, at.source, 6),
    kl: divergence(x, y),
    lossRight: loss(right),
    lossWrong: loss(wrong),
  };
  return { ...shown, ...(pads && { pads }), next };
}

function refused(got: string, fix: string): OptionError {
  return new OptionError({ where: "gotcha lab", argument: "this run", got, fix });
}

/** The numbers beside the two maps. */
export function compared(
  right: Float32Array,
  wrong: Float32Array,
  rows: number,
  columns: number,
  pads: readonly [number, number] = [0, 0],
): GotchaShown {
  const sums: [number, number] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [leaked, total, difference] = [0, 0, 0];
  const sharpness: [number, number] = [0, 0];
  const real = rows - pads[0] - pads[1];
  for (let i = pads[0]; i < rows - pads[1]; i++) {
    let sum = 0;
    let most: [number, number] = [0, 0];
    for (let j = 0; j < columns; j++) {
      const [a, b] = [right[i * columns + j]!, wrong[i * columns + j]!];
      sum += b;
      total += Math.abs(b);
      if (Number.isNaN(a)) leaked += Math.abs(b);
      difference = Math.max(difference, Math.abs(b - (a || 0)));
      most = [Math.max(most[0], a || 0), Math.max(most[1], b)];
    }
    sums[0] = Math.min(sums[0], sum);
    sums[1] = Math.max(sums[1], sum);
    sharpness[0] += most[0] / real;
    sharpness[1] += most[1] / real;
  }
  return { rows, columns, right, wrong, sums, leaked: total > 0 ? leaked / total : 0, sharpness, difference };
}
