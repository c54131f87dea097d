/**
 * @file The mistakes everybody makes, each as the wrong formula beside the right one, on the reader's own text and model.
 *
 * A mistake changes the map of every head, and through a listener the whole model, so that what becomes of the next word
 * is measured and not told. Ids are the rules of `qkv check`.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import type { AttentionCall } from "../../kernels/kernel.js";
import type { Model } from "../../models/index.js";
import { OptionError, tensor } from "../../tensor/index.js";
import { biasAt, mayAttend, QkRecord, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import { divergence, logitsAt, meanLoss, topOf } from "./predict.js";
import type { Guess, Kind } from "./protocol.js";

/** A mistake on one head: weights [Lq, Lk] from scores, or another way of putting the heads together. */
interface Gotcha {
  id: string;
  /** Weights of head h of batch item b. */
  weights?(call: AttentionCall, b: number, h: number): Float64Array;
  /** Heads merged without being transposed first: the map stays right, the output is scrambled. */
  scrambled?: boolean;
  /** Needs key heads that are shared. */
  grouped?: boolean;
}

const row = (x: AttentionCall["q"], b: number, h: number, i: number): number =>
  x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2];
const keyHead = (c: AttentionCall, h: number): number => Math.floor((h * c.keyHeads) / c.heads);

/** Scores of a head, [Lq, Lk], before any mask. */
function scores(c: AttentionCall, b: number, h: number, scale = c.scale, group = keyHead(c, h)): Float64Array {
  const out = new Float64Array(c.queries * c.keys);
  const [q, k] = [c.q.tensor.data, c.k.tensor.data];
  for (let i = 0; i < c.queries; i++) {
    const qi = row(c.q, b, h, i);
    for (let j = 0; j < c.keys; j++) {
      const kj = row(c.k, b, group, j);
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
    grouped: true,
    weights: (c, b, h) => softmax(scores(c, b, h, c.scale, h % c.keyHeads), c.queries, c.keys, rule(c, b, h)),
  },
];

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
              const from = row(c.v, b, keyHead(c, h), j);
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
  if (chosen.grouped && record.keyHeads === record.heads)
    throw refused("has no shared key heads", "open a model with grouped heads, a Llama or Mistral");
  const right = visibleWeights(record, { head });
  const call = { ...record.call, v: record.call.k, valueDim: record.call.headDim };
  const wrong = chosen.weights
    ? Float32Array.from(chosen.weights(call, 0, head))
    : right.map((w) => (Number.isNaN(w) ? 0 : w));
  await context.breathe();
  options.signal?.throwIfAborted();
  const shown = compared(right, wrong, record.queries, record.keys);
  const model = source.model as Model | undefined;
  if (!model || !result.trace.logits) return shown;
  const broken = withListener(mistaken(chosen), () => model.read(text, { trace: { logits: true } })).trace;
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

function refused(got: string, fix: string): OptionError {
  return new OptionError({ where: "gotcha lab", argument: "this run", got, fix });
}

/** The numbers beside the two maps. */
export function compared(right: Float32Array, wrong: Float32Array, rows: number, columns: number): GotchaShown {
  const sums: [number, number] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [leaked, total, difference] = [0, 0, 0];
  const sharpness: [number, number] = [0, 0];
  for (let i = 0; i < rows; i++) {
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
    sharpness[0] += most[0] / rows;
    sharpness[1] += most[1] / rows;
  }
  return { rows, columns, right, wrong, sums, leaked: total > 0 ? leaked / total : 0, sharpness, difference };
}
