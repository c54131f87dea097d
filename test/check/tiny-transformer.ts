/**
 * @file A small transformer in float64 with everything about it settable, and every mistake of a whole model plantable.
 * Two layers, learned weights replaced by seeded random ones, pre-norm, no training.
 */
import { Random } from "../../src/check/probe/numbers.js";
import type { CandidateModel, ModelConfig } from "../../src/check/types.js";
import { encoderDecoder } from "./tiny-encoder-decoder.js";

export interface Tiny {
  causal?: boolean;
  positions?: "learned" | "rope" | "alibi" | "t5" | "none";
  output?: "logits" | "hidden" | "pooled";
  pooling?: "mean" | "first" | "last";
  layers?: number;
  heads?: number;
  /** Does config tell how positions work? */
  tells?: boolean;
  cache?: boolean;
  // Mistakes
  visible?(i: number, j: number, mask: number[], b: number, h: number, all: number[][]): boolean;
  empty?: "zeros" | "NaN" | "mean";
  multiply?: boolean;
  positionOf?(t: number, mask: number[]): number;
  split?: boolean;
  merge?: boolean;
  mixBatch?: boolean;
  drop?: () => number;
  memory?: boolean;
  pool?(states: number[][], mask: number[]): number[];
  ropeK?: "half" | "interleaved";
  stepPosition?(past: number, t: number): number;
  stepVisible?(i: number, j: number, past: number, count: number): boolean;
  stepBias?: boolean;
  documents?: "mask" | "positions" | "both" | "neither";
  sameLength?: boolean;
  noise?(batch: number): number;
  sees?(i: number, j: number): boolean;
}

const V = 23;
const dModel = 12;

export function tiny(o: Tiny = {}): CandidateModel {
  const H = o.heads ?? 2;
  const D = dModel / H;
  const layers = o.layers ?? 2;
  const r = new Random(99);
  const matrix = (a: number, b: number, s = 0.5) =>
    Array.from({ length: a }, () => Array.from({ length: b }, () => r.normal() * s));
  const embed = matrix(V, dModel, 1);
  const place = matrix(64, dModel, 0.7);
  const bias = matrix(H, 200, 1.2);
  const weights = Array.from({ length: layers }, () => ({
    q: matrix(dModel, dModel),
    k: matrix(dModel, dModel),
    v: matrix(dModel, dModel),
    o: matrix(dModel, dModel),
    f: matrix(dModel, dModel),
  }));
  const head = matrix(V, dModel);
  const times = (m: number[][], x: number[]) => m.map((row) => row.reduce((s, w, n) => s + w * x[n]!, 0));
  const norm = (x: number[]) => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const sd = Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length + 1e-5);
    return x.map((y) => (y - mean) / sd);
  };
  const turn = (x: number[], p: number, kind: "half" | "interleaved") => {
    const y = [...x];
    for (let n = 0; n < D / 2; n++) {
      const a = p / 100 ** ((2 * n) / D);
      const [i, j] = kind === "half" ? [n, n + D / 2] : [2 * n, 2 * n + 1];
      y[i] = x[i]! * Math.cos(a) - x[j]! * Math.sin(a);
      y[j] = x[i]! * Math.sin(a) + x[j]! * Math.cos(a);
    }
    return y;
  };
  let remembered = 0;
  type Past = { k: number[][][][]; v: number[][][][]; mask: number[][]; length: number };

  /** Splits the rows of one item into heads: [H][L][D]. */
  const split = (rows: number[][]) => {
    const flat = rows.flat();
    const L = rows.length;
    return Array.from({ length: H }, (_, h) =>
      Array.from({ length: L }, (_, i) =>
        o.split ? flat.slice((h * L + i) * D, (h * L + i + 1) * D) : rows[i]!.slice(h * D, (h + 1) * D),
      ),
    );
  };
  const merge = (heads: number[][][]) => {
    const L = heads[0]!.length;
    if (!o.merge) return Array.from({ length: L }, (_, i) => heads.flatMap((h) => h[i]!));
    const flat = heads.flat(2);
    return Array.from({ length: L }, (_, i) => flat.slice(i * dModel, (i + 1) * dModel));
  };

  const config: ModelConfig = {
    vocabSize: V,
    causal: o.causal ?? true,
    ...(o.tells ? { positions: o.positions ?? "learned" } : {}),
    ...(o.tells ? { heads: H, layers } : {}),
  };
  return {
    config,
    forward(ids, attentionMask, past, extra) {
      const before = past as Past | undefined;
      const n = before?.length ?? 0;
      const documents = o.documents ? (extra?.["documentIds"] as number[][] | undefined) : undefined;
      const asked = o.documents ? (extra?.["positionIds"] as number[][] | undefined) : undefined;
      const full =
        before && attentionMask[0]!.length === ids[0]!.length
          ? ids.map((row, b) => [...before.mask[b]!, ...row.map(() => 1)])
          : attentionMask;
      const position = (b: number, t: number) => {
        if (asked && o.documents !== "mask" && o.documents !== "neither") return asked[b]![t]!;
        if (before) return o.stepPosition ? o.stepPosition(n, t) : n + t;
        if (o.positionOf) return o.positionOf(t, full[b]!);
        return Math.max(0, full[b]!.slice(0, t + 1).reduce((a, x) => a + (x ? 1 : 0), 0) - 1);
      };
      let x = ids.map((row, b) =>
        row.map((id, t) =>
          embed[id]!.map(
            (e, d) =>
              e + (o.positions === undefined || o.positions === "learned" ? place[position(b, t) % 64]![d]! : 0),
          ),
        ),
      );
      const grown: Past = { k: [], v: [], mask: full, length: n + ids[0]!.length };
      weights.forEach((w, layer) => {
        const normed = x.map((rows) => rows.map(norm));
        const make = (m: number[][]) => normed.map((rows) => split(rows.map((y) => times(m, y))));
        let [q, k] = [make(w.q), make(w.k)];
        let v = make(w.v);
        if (o.positions === "rope") {
          q = q.map((item, b) => item.map((hd) => hd.map((y, t) => turn(y, position(b, t), "half"))));
          k = k.map((item, b) => item.map((hd) => hd.map((y, t) => turn(y, position(b, t), o.ropeK ?? "half"))));
        }
        if (before) {
          k = k.map((item, b) => item.map((hd, h) => [...before.k[layer * ids.length + b]![h]!, ...hd]));
          v = v.map((item, b) => item.map((hd, h) => [...before.v[layer * ids.length + b]![h]!, ...hd]));
        }
        k.forEach((item, b) => {
          grown.k[layer * ids.length + b] = item;
          grown.v[layer * ids.length + b] = v[b]!;
        });
        x = x.map((rows, b) => {
          const heads = q[b]!.map((hd, h) =>
            hd.map((query, i) => {
              const absolute = i + n;
              const keys = o.mixBatch ? k.flatMap((item) => item[h]!) : k[b]![h]!;
              const values = o.mixBatch ? v.flatMap((item) => item[h]!) : v[b]![h]!;
              const scores = keys.map((key, j) => {
                let s = query.reduce((a, y, d) => a + y * key[d]!, 0) / Math.sqrt(D);
                if (o.positions === "t5" || o.positions === "alibi") {
                  const distance = o.stepBias && before ? j : absolute - j;
                  s += o.positions === "alibi" ? -0.3 * (h + 1) * Math.abs(distance) : bias[h]![distance + 100]!;
                }
                const causal =
                  !(o.causal ?? true) ||
                  (before && o.stepVisible ? o.stepVisible(i, j, n, rows.length) : j <= absolute);
                const rule = o.sees
                  ? o.sees(absolute, j) && full[b]![j] !== 0
                  : o.visible
                    ? o.visible(absolute, j, full[b]!, b, h, full)
                    : causal && full[b]![j] !== 0;
                const seen =
                  (o.mixBatch ? true : rule) &&
                  (!documents ||
                    o.documents === "positions" ||
                    o.documents === "neither" ||
                    documents[b]![i] === documents[b]![j]);
                return seen ? s : o.multiply ? 0 : Number.NEGATIVE_INFINITY;
              });
              const top = Math.max(...scores);
              if (top === Number.NEGATIVE_INFINITY)
                return query.map((_, d) =>
                  o.empty === "NaN"
                    ? Number.NaN
                    : o.empty === "mean"
                      ? values.reduce((a, y) => a + y[d]!, 0) / values.length
                      : 0,
                );
              const e = scores.map((s) => Math.exp(s - top));
              const l = e.reduce((a, y) => a + y, 0);
              return query.map((_, d) => e.reduce((a, y, j) => (y === 0 ? a : a + (y / l) * values[j]![d]!), 0));
            }),
          );
          const merged = merge(heads);
          return rows.map((y, i) => {
            const mixed = times(w.o, merged[i]!).map((z, d) => y[d]! + (o.drop ? (o.drop() < 0.1 ? 0 : z / 0.9) : z));
            return times(w.f, norm(mixed)).map((z, d) => mixed[d]! + Math.tanh(z));
          });
        });
      });
      if (o.memory) {
        x = x.map((rows) => rows.map((y) => y.map((z, d) => (d === 0 ? z + 0.01 * remembered : z))));
        remembered = ids[0]![0]!;
      }
      if (o.noise) x = x.map((rows) => rows.map((y) => y.map((z, d) => (d === 0 ? z + o.noise!(ids.length) : z))));
      const states = x.map((rows) => rows.map(norm));
      const [B, L] = [ids.length, ids[0]!.length];
      if (o.output === "pooled") {
        const pooled = states.map((rows, b) => {
          const mask = full[b]!;
          if (o.pool) return o.pool(rows, mask);
          const reals = rows.filter((_, t) => mask[t]);
          if (o.pooling === "first") return reals[0] ?? rows[0]!.map(() => 0);
          if (o.pooling === "last") return reals.at(-1) ?? rows[0]!.map(() => 0);
          return rows[0]!.map((_, d) => reals.reduce((a, y) => a + y[d]!, 0) / Math.max(1, reals.length));
        });
        return { data: Float32Array.from(pooled.flat()), shape: [B, dModel] };
      }
      const logits = o.output === "hidden" ? states : states.map((rows) => rows.map((y) => times(head, y)));
      const out = { data: Float32Array.from(logits.flat(2)), shape: [B, L, logits[0]![0]!.length] };
      return o.cache ? { logits: out, past: grown } : out;
    },
  };
}

const causalHere = (i: number, j: number) => j <= i;
const meanOfAll = (rows: number[][]) => rows[0]!.map((_, d) => rows.reduce((a, y) => a + y[d]!, 0) / rows.length);

export const plantedModels: Record<string, Record<string, () => CandidateModel>> = {
  "future-leak": {
    "a causal model without a mask": () => tiny({ sees: () => true }),
    "hidden states": () => tiny({ sees: () => true, output: "hidden", positions: "rope" }),
    "the decoder beside an encoder": () => encoderDecoder({ causal: false }),
  },
  "causal-reversed": {
    "sees only the future": () => tiny({ sees: (i, j) => j >= i }),
    strictly: () => tiny({ sees: (i, j) => j > i, positions: "none" }),
  },
  "causal-off-by-one": {
    "sees the next token": () => tiny({ sees: (i, j) => j <= i + 1 }),
    "one layer": () => tiny({ layers: 1, sees: (i, j) => j <= i + 1 }),
  },
  "mask-inverted": {
    "encoder hides real tokens": () =>
      tiny({ causal: false, visible: (_i, j, m) => (m.includes(0) ? m[j] === 0 : true) }),
    "decoder hides real tokens": () =>
      tiny({ positions: "rope", visible: (i, j, m) => j <= i && (m.includes(0) ? m[j] === 0 : true) }),
  },
  "mask-on-query-axis": {
    "encoder masks rows": () => tiny({ causal: false, visible: (i, _j, m) => m[i] === 1 }),
    "empty rows uniform": () =>
      tiny({ causal: false, layers: 1, positions: "none", empty: "mean", visible: (i, _j, m) => m[i] === 1 }),
    "decoder masks rows": () => tiny({ positions: "rope", visible: (i, j, m) => j <= i && m[i] === 1 }),
  },
  "padding-leak": {
    "encoder without a mask": () => tiny({ causal: false, visible: () => true }),
    "decoder without a mask": () => tiny({ positions: "rope", visible: causalHere }),
    multiplied: () => tiny({ causal: false, multiply: true }),
    "no mask in the cross-attention": () => encoderDecoder({ sourceMask: false, tells: true }),
  },
  "pad-attends-pad": {
    "bits compared": () => tiny({ causal: false, visible: (i, j, m) => m[i] === m[j] }),
    "in a decoder": () => tiny({ visible: (i, j, m) => j <= i && m[i] === m[j] }),
  },
  "mask-head-order": {
    tiled: () => tiny({ causal: false, visible: (_i, j, _m, b, h, all) => all[(b * 2 + h) % all.length]![j] === 1 }),
    "item 0 for all": () => tiny({ causal: false, visible: (_i, j, _m, _b, _h, all) => all[0]![j] === 1 }),
  },
  "dead-row-NaN": {
    "0/0 in the padding": () => tiny({ empty: "NaN" }),
    "an encoder's empty item": () => tiny({ causal: false, empty: "NaN" }),
  },
  "left-pad-positions": {
    "learned from 0": () => tiny({ positionOf: (t) => t }),
    "decoder from 0, hidden states": () => tiny({ positionOf: (t) => t, output: "hidden", layers: 1 }),
    "sinusoid-like, three layers": () => tiny({ positionOf: (t) => t + 1, layers: 3 }),
  },
  "rope-layout": {
    "q and k apart": () => tiny({ positions: "rope", tells: true, ropeK: "interleaved", positionOf: (t) => t }),
  },
  "pad-in-pooling": {
    "mean of everything": () => tiny({ causal: false, output: "pooled", pool: meanOfAll }),
    "index 0": () => tiny({ causal: false, output: "pooled", pool: (rows) => rows[0]! }),
    "last index": () => tiny({ output: "pooled", positions: "rope", pool: (rows) => rows.at(-1)! }),
    "sum over the length": () =>
      tiny({
        causal: false,
        output: "pooled",
        pool: (rows, m) => rows[0]!.map((_, d) => rows.reduce((a, y, t) => a + (m[t] ? y[d]! : 0), 0) / rows.length),
      }),
  },
  "batch-as-sequence": { "items see each other": () => tiny({ causal: false, mixBatch: true }) },
  "batch-dependence": { "last bits": () => tiny({ noise: (B) => (B > 1 ? 3e-7 : 0) }) },
  "dropout-at-eval": {
    "Math.random": () => tiny({ drop: () => Math.random() }),
    "own generator": () => {
      let s = 5;
      return tiny({ drop: () => (s = (s * 16807) % 2147483647) / 2147483647 });
    },
  },
  "state-leak": { remembers: () => tiny({ memory: true }) },
  "heads-split-without-transpose": {
    reshaped: () => tiny({ causal: false, split: true, merge: true, layers: 1 }),
    "causal, one layer": () => tiny({ split: true, merge: true, layers: 1 }),
  },
  "heads-merged-without-transpose": {
    reshaped: () => tiny({ merge: true, layers: 1 }),
    "three heads": () => tiny({ merge: true, heads: 3, layers: 1, positions: "rope" }),
  },
  "cache-prefill-not-causal": {
    "no mask with a cache": () => tiny({ cache: true, stepVisible: () => true }),
    rope: () => tiny({ cache: true, positions: "rope", stepVisible: () => true }),
  },
  "cache-history-masked": {
    "tril(0)": () => tiny({ cache: true, stepVisible: (i, j) => j <= i }),
    "but for one token": () => tiny({ cache: true, stepVisible: (i, j, _n, count) => count === 1 || j <= i }),
  },
  "rope-offset-in-cache": {
    "learned restart": () => tiny({ cache: true, stepPosition: (_n, t) => t }),
    "rotary restart": () => tiny({ cache: true, positions: "rope", tells: true, stepPosition: (_n, t) => t }),
    "one off": () => tiny({ cache: true, positions: "rope", stepPosition: (n, t) => n + t + 1 }),
  },
  "t5-bias-in-cross-attention": {
    "wrong rows in a step": () => tiny({ cache: true, positions: "t5", tells: true, stepBias: true }),
    "one bias for every attention": () => encoderDecoder({ cross: (i, j, h, own) => own(h, j - i), tells: true }),
    "a slope by distance, async": () =>
      encoderDecoder({ cross: (i, j, h) => -0.8 * (h + 1) * Math.abs(i - j), async: true }),
    "one head only, learned positions": () =>
      encoderDecoder({ positions: "learned, counted", cross: (i, j, h, own) => (h === 1 ? own(0, j - i) : 0) }),
    "row 0 in a decoder's step": () => encoderDecoder({ row: (i) => i, tells: true }),
  },
  "documents-leak-in-pack": {
    "no mask": () => tiny({ documents: "positions" }),
    "positions count on": () => tiny({ documents: "mask" }),
  },
  "causal-dropped-on-a-path": {
    "with padding": () => tiny({ positions: "rope", visible: (i, j, m) => m[j] !== 0 && (m.includes(0) || j <= i) }),
  },
};

/** Right, with a convention of their own. */
export const modelConventions: Record<string, [rule: string, model: () => CandidateModel]> = {
  "an encoder whose positions count from the row's start": [
    "left-pad-positions",
    () => tiny({ causal: false, positionOf: (t) => t, output: "hidden" }),
  ],
  "an encoder–decoder whose source is padded on the right": [
    "left-pad-positions",
    () => encoderDecoder({ positions: "learned from the row" }),
  ],
};

export const rightModels: Record<string, () => CandidateModel> = {
  "decoder, learned positions": () => tiny(),
  "decoder, rotary, with a cache": () => tiny({ positions: "rope", cache: true, tells: true }),
  "decoder, rotary counted from the row": () => tiny({ positions: "rope", positionOf: (t) => t }),
  "decoder, T5 bias, with a cache": () => tiny({ positions: "t5", cache: true, tells: true }),
  "decoder, ALiBi": () => tiny({ positions: "alibi" }),
  "learned positions with a cache": () => tiny({ cache: true }),
  packed: () => tiny({ documents: "both" }),
  encoder: () => tiny({ causal: false }),
  "encoder, empty rows uniform": () => tiny({ causal: false, empty: "mean" }),
  "encoder, hidden states, async": () => {
    const m = tiny({ causal: false, output: "hidden" });
    return { config: m.config, forward: async (i, a) => m.forward(i, a) };
  },
  "mean of real tokens": () => tiny({ causal: false, output: "pooled" }),
  "first real token": () => tiny({ causal: false, output: "pooled", pooling: "first" }),
  "encoder–decoder, T5 bias, with a cache": () => encoderDecoder({ tells: true }),
  "encoder–decoder, learned positions, async": () => encoderDecoder({ positions: "learned, counted", async: true }),
  "last real token": () => tiny({ output: "pooled", pooling: "last" }),
};
