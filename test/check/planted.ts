/**
 * @file Planted mistakes: for each rule several wrong attentions, written differently. Each must be named by its rule.
 */
import type { AttentionFunction, CandidateOptions, Numbers } from "../../src/check/types.js";
import {
  float16Loops,
  float32Loops,
  flattened,
  half,
  type Hide,
  loops,
  online,
  type Pair,
  type Quirks,
  type Style,
  wholeMaps,
} from "./styles.js";
import { otherStyles } from "./other-styles.js";

export type Planted = Record<string, () => AttentionFunction>;

/** The caller's rule with its parts exchanged. */
const seen =
  (part: {
    causal?: (p: Pair) => boolean;
    mask?: (p: Pair) => boolean;
    pad?: (p: Pair) => boolean;
  }): NonNullable<Quirks["visible"]> =>
  (p) =>
    (!p.options.causal || (part.causal ? part.causal(p) : p.causal(p.i, p.j))) &&
    (!p.options.mask || (part.mask ? part.mask(p) : p.mask(p.b, p.h, p.i, p.j))) &&
    (!p.options.keyPadding || (part.pad ? part.pad(p) : p.pad(p.b, p.j)));

const each = (styles: Record<string, Style>, quirks: Quirks, says: string): Planted =>
  Object.fromEntries(Object.entries(styles).map(([name, style]) => [`${says}, ${name}`, () => style(quirks)]));

const four = {
  loops: loops,
  "float32 loops": float32Loops,
  "whole maps": wholeMaps,
  "flattened batch": flattened,
  "online softmax": online,
};
const masksOnly =
  (hide: Hide) =>
  (o: CandidateOptions): Hide =>
    o.mask || o.keyPadding ? hide : { how: "absent" };

/** Rearranges a tensor's buffer before an otherwise right function sees it. */
const reread =
  (which: ("q" | "k" | "v")[], inner: AttentionFunction, turnOutput = false): AttentionFunction =>
  async (q, k, v, o) => {
    const turn = (t: Numbers): Numbers => {
      const [B, H, L, D] = t.shape as [number, number, number, number];
      const data = new Float32Array(t.data.length);
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let i = 0; i < L; i++)
            for (let d = 0; d < D; d++) data[((b * H + h) * L + i) * D + d] = t.data[((b * L + i) * H + h) * D + d]!;
      return { ...t, data };
    };
    const given = { q, k, v };
    const out = (await inner(
      which.includes("q") ? turn(q) : given.q,
      which.includes("k") ? turn(k) : k,
      which.includes("v") ? turn(v) : v,
      o,
    )) as Numbers;
    return turnOutput ? unturn(out, q, v) : out;
  };

/** Writes [B, H, L, D] numbers in the order [B, L, H, D] under the old shape. */
function unturn(t: Numbers | Float32Array, q: Numbers, v: Numbers): Numbers {
  const [B, H, L] = q.shape as [number, number, number];
  const D = v.shape[3]!;
  const from = t instanceof Float32Array ? t : t.data;
  const data = new Float32Array(from.length);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < L; i++)
        for (let d = 0; d < D; d++) data[((b * L + i) * H + h) * D + d] = from[((b * H + h) * L + i) * D + d]!;
  return { data, shape: [B, H, L, D], dims: [B, H, L, D] };
}

/** A plain function over nested arrays: x[b][h][i][d]. */
type Nested = number[][][][];
const nest = (t: Numbers): Nested => {
  const [B, H, L, D] = t.shape as [number, number, number, number];
  return Array.from({ length: B }, (_, b) =>
    Array.from({ length: H }, (_, h) =>
      Array.from({ length: L }, (_, i) => Array.from({ length: D }, (_, d) => t.data[((b * H + h) * L + i) * D + d]!)),
    ),
  );
};
const dot = (a: number[], b: number[]) => a.reduce((s, x, n) => s + x * b[n]!, 0);
const soft = (s: number[]) => {
  const m = Math.max(...s);
  const e = s.map((x) => Math.exp(x - m));
  const l = e.reduce((a, x) => a + x, 0);
  return e.map((x) => x / l);
};
const mean = (w: number[], v: number[][]) =>
  v[0]!.map((_, d) => w.reduce((s, x, j) => (x === 0 ? s : s + x * v[j]![d]!), 0));
const visibleTo = (q: Numbers, k: Numbers, o: CandidateOptions) => {
  const [, , Lq] = q.shape as [number, number, number];
  const Lk = k.shape[2]!;
  const m = o.mask;
  return (b: number, h: number, i: number, j: number) => {
    if (o.causal && j > i + Lk - Lq) return false;
    if (o.keyPadding && !o.keyPadding.data[b * Lk + j]) return false;
    if (!m) return true;
    const [mb, mh, mi, mj] = m.shape as [number, number, number, number];
    return (
      m.data[(((mb === 1 ? 0 : b) * mh + (mh === 1 ? 0 : h)) * mi + (mi === 1 ? 0 : i)) * mj + (mj === 1 ? 0 : j)] === 1
    );
  };
};
/** Nested arrays with a mapping of the scores [H][Lq][Lk] of all items to weights. */
const nestedWith =
  (
    weigh: (scores: number[][][][], masked: boolean[][][][]) => number[][][][],
    score = (a: number[], b: number[], D: number) => dot(a, b) / Math.sqrt(D),
  ): AttentionFunction =>
  (q, k, v, o = {}) => {
    const [Q, K, V] = [nest(q), nest(k), nest(v)];
    const visible = visibleTo(q, k, o);
    const scale = o.scale;
    const s = Q.map((item, b) =>
      item.map((head, h) =>
        head.map((row) =>
          K[b]![h]!.map((key) => (scale === undefined ? score(row, key, row.length) : dot(row, key) * scale)),
        ),
      ),
    );
    const masked = s.map((item, b) =>
      item.map((head, h) => head.map((row, i) => row.map((_, j) => !visible(b, h, i, j)))),
    );
    const w = weigh(s, masked);
    return w.map((item, b) => item.map((head, h) => head.map((row) => mean(row, V[b]![h]!))));
  };
const hideAll = (s: number[][][][], m: boolean[][][][]) =>
  s.map((a, b) => a.map((c, h) => c.map((r, i) => r.map((x, j) => (m[b]![h]![i]![j] ? Number.NEGATIVE_INFINITY : x)))));
const rowSoft = (row: number[]) => (row.every((x) => x === Number.NEGATIVE_INFINITY) ? row.map(() => 0) : soft(row));

/** Softmax along an axis other than the last one of [B][H][Lq][Lk]. */
const along = (axis: "batch" | "heads" | "queries" | "map") =>
  nestedWith((s, m) => {
    const x = hideAll(s, m);
    const w = x.map((a) => a.map((c) => c.map((r) => [...r])));
    const groups = new Map<string, [number, number, number, number][]>();
    x.forEach((a, b) =>
      a.forEach((c, h) =>
        c.forEach((r, i) =>
          r.forEach((_, j) => {
            const key =
              axis === "batch"
                ? `${h} ${i} ${j}`
                : axis === "heads"
                  ? `${b} ${i} ${j}`
                  : axis === "queries"
                    ? `${b} ${h} ${j}`
                    : `${b} ${h}`;
            const list = groups.get(key);
            if (list) list.push([b, h, i, j]);
            else groups.set(key, [[b, h, i, j]]);
          }),
        ),
      ),
    );
    for (const places of groups.values()) {
      const y = rowSoft(places.map(([b, h, i, j]) => x[b]![h]![i]![j]!));
      places.forEach(([b, h, i, j], n) => {
        w[b]![h]![i]![j] = y[n]!;
      });
    }
    return w;
  });

const rightNested = nestedWith((s, m) => hideAll(s, m).map((a) => a.map((c) => c.map(rowSoft))));

let kept: Numbers | undefined;
const buffer = { data: new Float32Array(1) };

export const planted: Record<string, Planted> = {
  "mask-inverted": {
    ...each(
      four,
      { visible: seen({ mask: (p) => !p.mask(p.b, p.h, p.i, p.j), pad: (p) => !p.pad(p.b, p.j) }) },
      "1 hides",
    ),
    "only keyPadding inverted": () => loops({ visible: seen({ pad: (p) => !p.pad(p.b, p.j) }) }),
    "only mask inverted": () =>
      wholeMaps({ visible: seen({ mask: (p) => !p.mask(p.b, p.h, p.i, p.j) }), empty: "NaN" }),
  },
  "mask-multiplied-before-softmax": {
    ...each(four, { hide: { how: "multiply" } }, "scores times mask"),
    "only masks multiply": () => wholeMaps({ hide: masksOnly({ how: "multiply" }) }),
    "only causal multiplies": () => flattened({ hide: (o) => (o.causal ? { how: "multiply" } : { how: "absent" }) }),
  },
  "mask-constant-wrong": {
    ...each(four, { hide: { how: "fill", value: 1e-9 } }, "fills 1e-9"),
    "adds −10": () => wholeMaps({ hide: { how: "add", value: -10 } }),
    "fills −100": () => loops({ hide: { how: "fill", value: -100 } }),
    "adds −1000": () => flattened({ hide: { how: "add", value: -1000 } }),
    "adds 1e-9": () => wholeMaps({ hide: { how: "add", value: 1e-9 } }),
    "adds −1 (the mask as it is)": () => online({ hide: { how: "add", value: -1 } }),
    "fills +1e9": () => loops({ hide: { how: "fill", value: 1e9 } }),
    "adds −1e4 before the scale": () => (q, k, v, o) =>
      wholeMaps({ hide: { how: "add", value: -1e4 * (o?.scale ?? q.shape[3]! ** -0.5) } })(q, k, v, o),
    "fills −10 in float32": () => float32Loops({ hide: { how: "fill", value: -10 } }),
  },
  "mask-after-softmax": {
    ...each(four, { hide: { how: "after" } }, "weights times mask"),
    "renormalised, whole maps": () => wholeMaps({ hide: { how: "renormalise" } }),
    "renormalised, flattened": () => flattened({ hide: { how: "renormalise" } }),
    "only keyPadding": () => loops({ hide: (o) => (o.keyPadding ? { how: "after" } : { how: "absent" }) }),
  },
  "mask-on-query-axis": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened },
      { visible: seen({ pad: (p) => p.pad(p.b, p.i), mask: (p) => p.mask(p.b, p.h, p.j, p.i) }) },
      "rows instead of columns",
    ),
    "only keyPadding, empty rows uniform": () =>
      online({ visible: seen({ pad: (p) => p.pad(p.b, p.i) }), empty: "mean" }),
    "only keyPadding, empty rows NaN": () =>
      wholeMaps({ visible: seen({ pad: (p) => p.pad(p.b, p.i) }), empty: "NaN" }),
  },
  "mask-head-order": {
    ...each(four, { visible: seen({ pad: (p) => p.pad((p.b * p.H + p.h) % p.B, p.j) }) }, "keyPadding tiled"),
    "mask tiled": () => flattened({ visible: seen({ mask: (p) => p.mask((p.b * p.H + p.h) % p.B, p.h, p.i, p.j) }) }),
    "item 0's padding for all": () => loops({ visible: seen({ pad: (p) => p.pad(0, p.j) }) }),
  },
  "pad-attends-pad": each(
    four,
    { visible: seen({ pad: (p) => p.pad(p.b, p.i) === p.pad(p.b, p.j) }) },
    "bits compared",
  ),
  "dead-row-NaN": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened, "online softmax": online },
      { empty: "NaN" },
      "0/0",
    ),
    "float32 0/0": () => float32Loops({ empty: "NaN" }),
  },
  "dead-row-uniform": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened, "online softmax": online },
      { hide: { how: "fill", value: -1e9 } },
      "fills −1e9",
    ),
    "adds the lowest float32": () => float32Loops({ hide: { how: "fill", value: -3.4028234663852886e38 } }),
    "mean of everything": () => loops({ empty: "mean" }),
  },
  "NaN-through-mask": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened },
      { dense: true },
      "multiplies every value",
    ),
    "float32, dense": () => float32Loops({ dense: true }),
  },
  "mask-overflow-fp16": {
    "0 · −∞":
      () =>
      (q, k, v, o = {}) =>
        preScaled({ visible: () => true, score: (s, p) => foldedHalf(s, p, o) })(q, k, v, o),
    "lowest float32 in float16": () => preScaled({ empty: "NaN" }),
    "two masks added up": () => preScaled({ empty: "NaN", dense: true }),
  },
  "scale-missing": {
    ...each(four, { scale: (_D, _H, g) => g ?? 1 }, "no scale"),
    "scales the weights":
      () =>
      (q, k, v, o = {}) =>
        loops({
          scale: (_D, _H, g) => g ?? 1,
          weight: (w) => (o.scale === undefined ? w / Math.sqrt(q.shape[3]!) : w),
        })(q, k, v, o),
    "nested arrays": () =>
      nestedWith(
        (s, m) => hideAll(s, m).map((a) => a.map((c) => c.map(rowSoft))),
        (a, b) => dot(a, b),
      ),
  },
  "scale-d_model": each(four, { scale: (D, H, g) => g ?? 1 / Math.sqrt(D * H) }, "√(H·D)"),
  "scale-by-heads": {
    ...each(four, { scale: (_D, H, g) => g ?? 1 / Math.sqrt(H) }, "√H"),
    "times √D": () => wholeMaps({ scale: (D, _H, g) => g ?? Math.sqrt(D) }),
    "scales twice": () => flattened({ scale: (D, _H, g) => g ?? 1 / D }),
    "the whole part of √D, nested arrays": () =>
      nestedWith(
        (s, m) => hideAll(s, m).map((a) => a.map((c) => c.map(rowSoft))),
        (a, b) => dot(a, b) / Math.floor(Math.sqrt(a.length)),
      ),
    "given scale and default": () => loops({ scale: (D, _H, g) => (g ?? 1) / Math.sqrt(D) }),
    "1/8 for every head size": () => online({ scale: (_D, _H, g) => g ?? 1 / 8 }),
  },
  "scale-ignored": each(
    { loops, "whole maps": wholeMaps, "flattened batch": flattened },
    { scale: (D) => 1 / Math.sqrt(D) },
    "1/√D always",
  ),
  "softmax-axis": {
    queries: () => along("queries"),
    heads: () => along("heads"),
    batch: () => along("batch"),
    "whole map": () => along("map"),
  },
  "softmax-missing": {
    "scores times the mask as weights": () => unweighed,
    "scores as weights": () =>
      nestedWith((s, m) =>
        s.map((a, b) => a.map((c, h) => c.map((r, i) => r.map((x, j) => (m[b]![h]![i]![j] ? 0 : x))))),
      ),
    "shares of the sum": () =>
      nestedWith((s, m) =>
        s.map((a, b) =>
          a.map((c, h) =>
            c.map((r, i) => {
              const kept = r.map((x, j) => (m[b]![h]![i]![j] ? 0 : x));
              const l = kept.reduce((p, x) => p + x, 0);
              return l === 0 ? kept : kept.map((x) => x / l);
            }),
          ),
        ),
      ),
    "e^score without its sum, loops": () => rawWeights(Math.exp),
    "sigmoid of each score, async": () => async (q, k, v, o) => rawWeights((x) => 1 / (1 + Math.exp(-x)))(q, k, v, o),
  },
  "softmax-unstable": {
    ...each(
      { loops, "float32 loops": float32Loops, "whole maps": wholeMaps, "flattened batch": flattened },
      { unshifted: true },
      "exp of the scores",
    ),
    "one shift for all": () =>
      nestedWith((s, m) => {
        const x = hideAll(s, m);
        const top = Math.max(...x.flat(3).filter(Number.isFinite));
        return x.map((a) =>
          a.map((c) =>
            c.map((r) => {
              const e = r.map((y) => Math.exp(y - top));
              const l = e.reduce((p, y) => p + y, 0);
              return r.every((y) => y === Number.NEGATIVE_INFINITY) ? r.map(() => 0) : e.map((y) => y / l);
            }),
          ),
        );
      }),
    "exponent cut at 50": () =>
      nestedWith((s, m) =>
        hideAll(s, m).map((a) =>
          a.map((c) =>
            c.map((r) => {
              const e = r.map((y) => Math.exp(Math.min(y, 50)));
              const l = e.reduce((p, y) => p + y, 0);
              return l === 0 ? r.map(() => 0) : e.map((y) => y / l);
            }),
          ),
        ),
      ),
  },
  "fp16-scores-overflow": {
    "float16 loops, scaled last": () => float16Loops(),
    "sums in float16": () =>
      nestedWith((s, m) => hideAll(s, m).map((a) => a.map((c) => c.map(rowSoft))), undefined) &&
      float16Loops({ empty: "zeros" }),
    "scores rounded to float16 before scaling": () => roundedScores,
  },
  "heads-split-without-transpose": {
    "reads all as [B, L, H, D]": () => reread(["q", "k", "v"], loops()),
    "reads k so": () => reread(["k"], wholeMaps()),
    "reads and writes so": () => reread(["q", "k", "v"], loops(), true),
    "attends over heads":
      () =>
      async (q, k, v, o = {}) => {
        const turn = (t: Numbers) => swapAxes(t);
        const out = (await loops()(turn(q), turn(k), turn(v), {
          ...(o.scale === undefined ? {} : { scale: o.scale }),
        })) as Numbers;
        return swapAxes(out);
      },
  },
  "heads-merged-without-transpose": {
    "writes [B, L, H, D]": () => async (q, k, v, o) => unturn((await loops()(q, k, v, o)) as Numbers, q, v),
    "says [B, L, H·D]": () => async (q, k, v, o) => {
      const t = (await wholeMaps()(q, k, v, o)) as Numbers;
      return { data: t.data, shape: [q.shape[0], q.shape[2], q.shape[1]! * v.shape[3]!] };
    },
    "bare numbers, flattened": () => async (q, k, v, o) =>
      unturn((await flattened()(q, k, v, o)) as Float32Array, q, v).data,
  },
  "operands-exchanged": {
    k·q: () => (q, k, v, o) => loops()(k, q, v, o),
    "mixes keys": () => (q, k, _v, o) => wholeMaps()(q, k, k, o),
    "mixes queries": () => (q, k, _v, o) => flattened()(q, k, q, o),
  },
  "batch-as-sequence": {
    "along the batch": () => async (q, k, v) => {
      const turn = (t: Numbers): Numbers => moveAxes(t, [2, 1, 0, 3]);
      return moveAxes((await loops()(turn(q), turn(k), turn(v), {})) as Numbers, [2, 1, 0, 3]);
    },
    "batch in one sequence": () => async (q, k, v) => {
      const join = (t: Numbers): Numbers => {
        const [B, H, L, D] = t.shape as [number, number, number, number];
        const m = moveAxes(t, [1, 0, 2, 3]);
        return { data: m.data, shape: [1, H, B * L, D], dims: [1, H, B * L, D] };
      };
      const out = (await wholeMaps()(join(q), join(k), join(v), {})) as Numbers;
      const [B, H, L] = q.shape as [number, number, number];
      return moveAxes({ data: out.data, shape: [H, B, L, v.shape[3]!], dims: [] }, [1, 0, 2, 3]);
    },
    "everything in one sequence": () => async (q, k, v) => {
      const flat = (t: Numbers): Numbers => ({
        data: t.data,
        shape: [1, 1, t.shape[0]! * t.shape[1]! * t.shape[2]!, t.shape[3]!],
        dims: [],
      });
      const out = (await loops()(flat(q), flat(k), flat(v), {})) as Numbers;
      return { data: out.data, shape: [...q.shape.slice(0, 3), v.shape[3]!] };
    },
  },
  "gqa-tile-for-repeat": {
    ...each(four, { keyHead: (h, _H, Hk) => h % Hk }, "h mod Hk"),
    "always key head 0": () => loops({ keyHead: (h, H, Hk) => (H === Hk ? h : 0) }),
  },
  "gqa-repeat-on-sequence-axis": Object.fromEntries(
    Object.entries({ loops, "whole maps": wholeMaps, "flattened batch": flattened }).map(([name, style]) => [
      `each key several times, ${name}`,
      (): AttentionFunction => (q, k, v, o) => {
        const repeated = (t: Numbers): Numbers => {
          const [B, Hk, L, D] = t.shape as [number, number, number, number];
          const n = q.shape[1]! / Hk;
          const rows: number[] = [];
          for (let r = 0; r < B * Hk * L; r++)
            for (let x = 0; x < n; x++) rows.push(...t.data.subarray(r * D, (r + 1) * D));
          return { data: Float32Array.from(rows), shape: [B, Hk * n, L, D], dims: [] };
        };
        return style()(q, repeated(k), repeated(v), o);
      },
    ]),
  ),
  "causal-reversed": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened, "online softmax": online },
      { visible: seen({ causal: (p) => p.j >= p.i + p.Lk - p.Lq }) },
      "key ≥ query",
    ),
    "key > query": () => wholeMaps({ visible: seen({ causal: (p) => p.j > p.i }), empty: "NaN" }),
    mirrored: () => loops({ visible: seen({ causal: (p) => p.i + p.j < p.Lk }) }),
  },
  "causal-off-by-one": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened, "online softmax": online },
      { visible: seen({ causal: (p) => p.j <= p.i + 1 + p.Lk - p.Lq }) },
      "sees the next",
    ),
    "not itself": () => loops({ visible: seen({ causal: (p) => p.j < p.i + p.Lk - p.Lq }) }),
    "not itself, NaN": () => wholeMaps({ visible: seen({ causal: (p) => p.j < p.i + p.Lk - p.Lq }), empty: "NaN" }),
  },
  "causal-alignment": {
    "two corners": () =>
      loops({ visible: seen({ causal: (p) => (p.Lq > p.Lk ? p.j <= p.i : p.j <= p.i + p.Lk - p.Lq) }) }),
    "offset of the wrong sign": () => wholeMaps({ visible: seen({ causal: (p) => p.j <= p.i + p.Lq - p.Lk }) }),
    "one off when Lk > Lq": () =>
      flattened({ visible: seen({ causal: (p) => p.j <= p.i + p.Lk - p.Lq + (p.Lk > p.Lq ? 1 : 0) }) }),
  },
  "cache-prefill-not-causal": each(
    { loops, "whole maps": wholeMaps, "flattened batch": flattened, "online softmax": online },
    { visible: seen({ causal: (p) => p.Lq !== p.Lk || p.j <= p.i }) },
    "only when square",
  ),
  "cache-history-masked": each(
    { loops, "whole maps": wholeMaps, "flattened batch": flattened },
    { visible: seen({ causal: (p) => p.Lq === 1 || p.j <= p.i }) },
    "tril(0)",
  ),
  "causal-dropped-on-a-path": {
    "mask overrides causal": () =>
      loops({ visible: seen({ causal: (p) => p.options.mask !== undefined || p.causal(p.i, p.j) }) }),
    "keyPadding overrides causal": () =>
      wholeMaps({ visible: seen({ causal: (p) => p.options.keyPadding !== undefined || p.causal(p.i, p.j) }) }),
    "causal overrides mask": () =>
      flattened({ visible: seen({ mask: (p) => p.options.causal === true || p.mask(p.b, p.h, p.i, p.j) }) }),
    "not when weights are asked for": () =>
      online({ visible: seen({ causal: (p) => p.options["returnWeights"] === true || p.causal(p.i, p.j) }) }),
    "not beyond 64 keys": () =>
      loops({ visible: seen({ causal: (p) => (p.Lk > 64 && p.j < 64 && p.i < 64) || p.causal(p.i, p.j) }) }),
    "not in eval": () =>
      wholeMaps({ visible: seen({ causal: (p) => p.options["training"] === false || p.causal(p.i, p.j) }) }),
  },
  "window-off-by-one": {
    "left end out": () => windowed(loops, (i, j, w) => j > i - w.left && j <= i + w.right),
    "right end out": () => windowed(wholeMaps, (i, j, w) => j >= i - w.left && j < i + w.right),
    "one too many on the left": () => windowed(flattened, (i, j, w) => j >= i - w.left - 1 && j <= i + w.right),
  },
  "softcap-after-mask": {
    "after the mask":
      () =>
      (q, k, v, o = {}) =>
        wholeMaps({
          hide: o["softcap"] ? { how: "fill", value: -(o["softcap"] as number) } : { how: "absent" },
          score: (s) => capped(s, o),
        })(q, k, v, o),
    "no division":
      () =>
      (q, k, v, o = {}) =>
        loops({ score: (s) => (o["softcap"] ? (o["softcap"] as number) * 2 * Math.tanh(s) : s) })(q, k, v, o),
    clipped:
      () =>
      (q, k, v, o = {}) =>
        flattened({
          score: (s) => (o["softcap"] ? Math.max(-(o["softcap"] as number), Math.min(o["softcap"] as number, s)) : s),
        })(q, k, v, o),
    "dropped when causal":
      () =>
      (q, k, v, o = {}) =>
        online({ score: (s) => (o.causal ? s : capped(s, o)) })(q, k, v, o),
  },
  "alibi-slopes": {
    "exponent from 0": () => sloped(loops, (h, H) => 2 ** ((-8 * h) / H)),
    "one slope": () => sloped(wholeMaps, () => 0.25),
    "half the exponent": () => sloped(flattened, (h, H) => 2 ** ((-4 * (h + 1)) / H)),
    added: () => sloped(loops, (h, H) => -(2 ** ((-8 * (h + 1)) / H))),
  },
  "rope-layout": {
    "halves for interleaved": () =>
      turned(
        () => false,
        () => false,
      ),
    "interleaved for halves": () =>
      turned(
        () => true,
        () => true,
      ),
    exchanged: () =>
      turned(
        (i) => !i,
        (i) => !i,
      ),
  },
  "documents-leak-in-pack": {
    "sees earlier documents": () => documented(loops, (a, b) => b <= a),
    "separates only neighbours": () => documented(wholeMaps, (a, b) => Math.abs(a - b) !== 1),
    "only document 0 apart": () => documented(flattened, (a, b) => (a === 0) === (b === 0)),
  },
  "dropout-at-eval": {
    "Math.random": () => loops({ weight: (w) => (Math.random() < 0.2 ? 0 : w / 0.8) }),
    "own generator": () => {
      let s = 7;
      return wholeMaps({ weight: (w) => ((s = (s * 16807) % 2147483647) / 2147483647 < 0.2 ? 0 : w / 0.8) });
    },
    "the same every time": () =>
      flattened({ weight: (w, p) => ((p.b * 31 + p.h * 17 + p.i * 7 + p.j * 3) % 5 === 0 ? 0 : w / 0.8) }),
    "on the output": () => async (q, k, v, o) => {
      const t = (await loops()(q, k, v, o)) as Numbers;
      return { ...t, data: t.data.map((x) => (Math.random() < 0.1 ? 0 : x / 0.9)) };
    },
  },
  "state-leak": {
    "scales q in place":
      () =>
      (q, k, v, o = {}) => {
        const scale = o.scale ?? 1 / Math.sqrt(q.shape[3]!);
        for (let n = 0; n < q.data.length; n++) q.data[n]! *= scale;
        return loops({ scale: () => 1 })(q, k, v, o);
      },
    "remembers keys": () => {
      kept = undefined;
      return async (q, k, v, o) => {
        const before = kept;
        kept = k;
        return before && before.data.length === k.data.length
          ? wholeMaps()(q, { ...k, data: k.data.map((x, n) => x + 0.1 * before.data[n]!) }, v, o)
          : wholeMaps()(q, k, v, o);
      };
    },
    "one buffer": () => async (q, k, v, o) => {
      const t = (await loops()(q, k, v, o)) as Numbers;
      if (buffer.data.length < t.data.length) buffer.data = new Float32Array(t.data.length);
      buffer.data.set(t.data);
      return { data: buffer.data.subarray(0, t.data.length), shape: t.shape };
    },
    "writes the mask":
      () =>
      (q, k, v, o = {}) => {
        const out = flattened()(q, k, v, o);
        o.mask?.data.fill(1);
        return out;
      },
  },
  "batch-dependence": {
    "backwards in a batch": () => (q, k, v, o) =>
      float32Loops()(
        q,
        reversedIf(q.shape[0]! > 2, k),
        reversedIf(q.shape[0]! > 2, v),
        flippedOptions(q.shape[0]! > 2, k, o),
      ),
    "rounded in a batch": () => async (q, k, v, o) => {
      const t = (await loops()(q, k, v, o)) as Numbers;
      return q.shape[0]! > 1 && q.shape[2]! > 10 ? { ...t, data: t.data.map((x) => Math.fround(x * (1 + 2e-7))) } : t;
    },
    "another path in a batch": () => (q, k, v, o) =>
      q.shape[0] === 1 ? float32Loops()(q, k, v, o) : loops()(q, k, v, o),
  },
  "future-leak": each(
    { loops, "whole maps": wholeMaps, "flattened batch": flattened },
    { visible: seen({ causal: () => true }) },
    "no causal",
  ),
  "mask-ignored": each(
    { loops, "whole maps": wholeMaps, "flattened batch": flattened },
    { visible: seen({ mask: () => true }) },
    "no mask",
  ),
  "padding-leak": {
    ...each(
      { loops, "whole maps": wholeMaps, "flattened batch": flattened },
      { visible: seen({ pad: () => true }) },
      "no padding",
    ),
    "counted as a length": () => online({ visible: seen({ pad: (p) => p.j < realKeys(p) }) }),
  },
  hangs: {
    "never resolves": () => () => new Promise(() => undefined),
    "never resolves with causal":
      () =>
      (q, k, v, o = {}) =>
        o.causal ? new Promise(() => undefined) : loops()(q, k, v, o),
    "never resolves with padding":
      () =>
      (q, k, v, o = {}) =>
        o.keyPadding ? new Promise(() => undefined) : flattened()(q, k, v, o),
  },
  throws: {
    always: () => () => {
      throw new Error("boom");
    },
    "with a mask":
      () =>
      (q, k, v, o = {}) => {
        if (o.mask) throw new Error("masks are not implemented");
        return loops()(q, k, v, o);
      },
    "gives nothing": () => () => undefined,
    "wrong size": () => () => new Float32Array(3),
  },
  "wrong-output": {
    "a term too much": () => async (q, k, v, o) => {
      const t = (await loops()(q, k, v, o)) as Numbers;
      return { ...t, data: t.data.map((x, n) => x + 0.3 * Math.sin(n)) };
    },
    "breaks beyond 64 keys": () => loops({ score: (s, p) => (p.j >= 64 ? s * 2 : s) }),
    "one too many in the denominator": () =>
      nestedWith((s, m) =>
        hideAll(s, m).map((a) =>
          a.map((c) =>
            c.map((r) => {
              const e = r.map(Math.exp);
              const l = 1 + e.reduce((p, x) => p + x, 0);
              return e.map((x) => x / l);
            }),
          ),
        ),
      ),
    "one dimension of the keys counts more, async": () => (q, k, v, o) =>
      online()(q, { ...k, data: k.data.map((x, n) => (n % k.shape[3]! === 1 ? 1.4 * x : x)) }, v, o),
    "keys reshaped for a transpose, flattened": () => (q, k, v, o) => {
      const [, , L, D] = k.shape as [number, number, number, number];
      const data = k.data.map((_, n) => k.data[n - (n % (L * D)) + (n % D) * L + (Math.floor(n / D) % L)]!);
      return flattened()(q, { ...k, data }, v, o);
    },
  },
};

const realKeys = (p: Pair): number =>
  p.options.keyPadding!.data.subarray(p.b * p.Lk, (p.b + 1) * p.Lk).reduce((a, x) => a + x, 0);

/** A weight that is a function of its own score alone. */
const rawWeights = (f: (s: number) => number): AttentionFunction =>
  nestedWith((s, m) =>
    s.map((a, b) => a.map((c, h) => c.map((r, i) => r.map((x, j) => (m[b]![h]![i]![j] ? 0 : f(x)))))),
  );

/** No softmax: the score itself, times the caller's mask, is the weight. */
const unweighed: AttentionFunction = (q, k, v, o = {}) =>
  nestedWith((s, m) =>
    s.map((a, b) => a.map((c, h) => c.map((r, i) => r.map((x, j) => x * (m[b]![h]![i]![j] ? 0 : 1))))),
  )(q, k, v, o);

function foldedHalf(s: number, p: Pair, o: CandidateOptions): number {
  const open =
    (!o.causal || p.j <= p.i + p.Lk - p.Lq) &&
    (!o.mask || maskAt(p, o)) &&
    (!o.keyPadding || o.keyPadding.data[p.b * p.Lk + p.j] === 1);
  return o.causal || o.mask || o.keyPadding ? half(s + half((open ? 0 : 1) * half(-1e9))) : s;
}
function maskAt(p: Pair, o: CandidateOptions): boolean {
  const [mb, mh, mi, mj] = o.mask!.shape as [number, number, number, number];
  return (
    o.mask!.data[
      (((mb === 1 ? 0 : p.b) * mh + (mh === 1 ? 0 : p.h)) * mi + (mi === 1 ? 0 : p.i)) * mj + (mj === 1 ? 0 : p.j)
    ] === 1
  );
}

/** float16 with the scale folded into q. */
export function preScaled(quirks: Quirks = {}): AttentionFunction {
  return (q, k, v, o = {}) => {
    const scale = o.scale ?? 1 / Math.sqrt(q.shape[3]!);
    return float16Loops({ ...quirks, scale: () => 1 })({ ...q, data: q.data.map((x) => half(x * scale)) }, k, v, o);
  };
}

const roundedScores: AttentionFunction = nestedWith((s, m) =>
  hideAll(s, m).map((a) =>
    a.map((c) =>
      c.map((r) =>
        rowSoft(r.some((x) => x === Number.POSITIVE_INFINITY || Number.isNaN(x)) ? r.map(() => Number.NaN) : r),
      ),
    ),
  ),
);
// The scale has to come after the rounding, so the scores are made anew.
planted["fp16-scores-overflow"]!["scores rounded to float16 before scaling"] =
  () =>
  (q, k, v, o = {}) =>
    wholeMaps({ scale: () => 1, score: (s, _p, D) => half(half(s) * (o.scale ?? 1 / Math.sqrt(D))) })(q, k, v, o);
planted["fp16-scores-overflow"]!["sums in float16"] =
  () =>
  (q, k, v, o = {}) =>
    flattened({ scale: () => 1, score: (s, _p, D) => half(half(s) * (o.scale ?? 1 / Math.sqrt(D))) })(q, k, v, o);

function moveAxes(t: Numbers, order: number[]): Numbers {
  const shape = t.shape;
  const strides = shape.map((_, a) => shape.slice(a + 1).reduce((x, y) => x * y, 1));
  const to = order.map((a) => shape[a]!);
  const data = new Float32Array(t.data.length);
  let n = 0;
  for (let a = 0; a < to[0]!; a++)
    for (let b = 0; b < to[1]!; b++)
      for (let c = 0; c < to[2]!; c++)
        for (let d = 0; d < to[3]!; d++)
          data[n++] =
            t.data[
              a * strides[order[0]!]! + b * strides[order[1]!]! + c * strides[order[2]!]! + d * strides[order[3]!]!
            ]!;
  return { data, shape: to, dims: to };
}
const swapAxes = (t: Numbers) => moveAxes(t, [0, 2, 1, 3]);

const capped = (s: number, o: CandidateOptions) =>
  o["softcap"] ? (o["softcap"] as number) * Math.tanh(s / (o["softcap"] as number)) : s;
export const rightCap: AttentionFunction = (q, k, v, o = {}) => loops({ score: (s) => capped(s, o) })(q, k, v, o);

export function windowed(
  style: Style,
  inside: (i: number, j: number, w: { left: number; right: number }) => boolean,
): AttentionFunction {
  return (q, k, v, o = {}) => {
    const w = o["window"] as { left: number; right: number } | undefined;
    return style({
      visible: (p) =>
        p.causal(p.i, p.j) && p.mask(p.b, p.h, p.i, p.j) && p.pad(p.b, p.j) && (!w || inside(p.i, p.j, w)),
    })(q, k, v, o);
  };
}

export function sloped(style: Style, slope: (h: number, H: number) => number): AttentionFunction {
  return (q, k, v, o = {}) =>
    style({ score: (s, p) => (o["alibi"] ? s - slope(p.h, p.H) * Math.abs(p.i + p.Lk - p.Lq - p.j) : s) })(q, k, v, o);
}

export function documented(style: Style, same: (a: number, b: number) => boolean): AttentionFunction {
  return (q, k, v, o = {}) => {
    const d = o["documentIds"] as { data: Int32Array } | undefined;
    return style({
      visible: (p) =>
        p.causal(p.i, p.j) &&
        p.mask(p.b, p.h, p.i, p.j) &&
        p.pad(p.b, p.j) &&
        (!d || same(d.data[p.b * p.Lk + p.i]!, d.data[p.b * p.Lk + p.j]!)),
    })(q, k, v, o);
  };
}

/** Rotary positions with the pairs of each layout; the functions say which layout q and k take for the option's. */
export function turned(
  forQ: (interleaved: boolean) => boolean,
  forK: (interleaved: boolean) => boolean,
): AttentionFunction {
  return (q, k, v, o = {}) => {
    const rope = o["rope"] as { interleaved: boolean } | undefined;
    if (!rope) return loops()(q, k, v, o);
    const turn = (t: Numbers, interleaved: boolean): Numbers => {
      const D = t.shape[3]!;
      const L = t.shape[2]!;
      const data = t.data.slice();
      for (let row = 0; row < t.data.length / D; row++)
        for (let n = 0; n < D / 2; n++) {
          const angle = (row % L) / 10000 ** ((2 * n) / D);
          const [a, b] = interleaved ? [2 * n, 2 * n + 1] : [n, n + D / 2];
          const [x, y] = [t.data[row * D + a]!, t.data[row * D + b]!];
          data[row * D + a] = x * Math.cos(angle) - y * Math.sin(angle);
          data[row * D + b] = x * Math.sin(angle) + y * Math.cos(angle);
        }
      return { ...t, data };
    };
    return loops()(turn(q, forQ(rope.interleaved)), turn(k, forK(rope.interleaved)), v, o);
  };
}

function reversedIf(yes: boolean, t: Numbers): Numbers {
  if (!yes) return t;
  const [B, H, L, D] = t.shape as [number, number, number, number];
  const data = new Float32Array(t.data.length);
  for (let n = 0; n < B * H; n++)
    for (let i = 0; i < L; i++)
      data.set(t.data.subarray((n * L + i) * D, (n * L + i + 1) * D), (n * L + L - 1 - i) * D);
  return { ...t, data };
}
function flippedOptions(yes: boolean, k: Numbers, o: CandidateOptions): CandidateOptions {
  if (!yes) return o;
  const Lk = k.shape[2]!;
  const flip = (t: Numbers<Uint8Array>, width: number): Numbers<Uint8Array> =>
    width === 1 ? t : { ...t, data: t.data.map((_, n) => t.data[n - (n % width) + width - 1 - (n % width)]!) };
  const out: CandidateOptions = { ...o };
  if (o.mask) out.mask = flip(o.mask, o.mask.shape.at(-1)!);
  if (o.keyPadding) out.keyPadding = flip(o.keyPadding, Lk);
  if (o.causal) {
    delete out.causal;
    const [B, H, Lq] = [o.mask?.shape[0] ?? k.shape[0]!, 1, k.shape[2]!];
    const base = out.mask;
    const data = new Uint8Array(B * H * Lq * Lk);
    for (let b = 0; b < B; b++)
      for (let i = 0; i < Lq; i++)
        for (let j = 0; j < Lk; j++)
          data[(b * Lq + i) * Lk + j] = Lk - 1 - j <= i && (!base || base.shape[1] === 1) ? 1 : 0;
    out.mask = { data, shape: [B, H, Lq, Lk], dims: [B, H, Lq, Lk] };
  }
  return out;
}

/** Right implementations of many styles. */
export const right: Record<string, AttentionFunction> = {
  ...otherStyles,
  "loops, float64": loops(),
  "float32 loops": float32Loops(),
  "whole maps": wholeMaps(),
  "flattened batch, bare numbers": flattened(),
  "online softmax in tiles, async": online(),
  "float16, scale folded into q": preScaled(),
  "nested arrays in and out": rightNested,
  "with softcap": rightCap,
  "with a window": windowed(loops, (i, j, w) => j >= i - w.left && j <= i + w.right),
  "with ALiBi": sloped(wholeMaps, (h, H) => {
    const low = 2 ** Math.floor(Math.log2(H));
    return h < low ? 2 ** ((-8 * (h + 1)) / low) : 2 ** ((-8 * (2 * (h - low) + 1)) / (2 * low));
  }),
  "with documents": documented(online, (a, b) => a === b),
  "with rotary positions": turned(
    (i) => i,
    (i) => i,
  ),
  "rows of padding are zeros": loops({
    visible: seen({ pad: (p) => p.pad(p.b, p.j) && (p.Lq !== p.Lk || p.pad(p.b, p.i)) }),
  }),
  "merged output [B, L, H·D]": async (q, k, v, o) => {
    const t = (await loops()(q, k, v, o)) as Numbers;
    const m = moveAxes(t, [0, 2, 1, 3]);
    return { data: m.data, dims: [m.shape[0]!, m.shape[1]!, m.shape[2]! * m.shape[3]!] };
  },
  "{ output, weights }": async (q, k, v, o) => ({ output: await loops()(q, k, v, o), weights: undefined }),
  "only as many queries as keys": (q, k, v, o) => {
    if (q.shape[2] !== k.shape[2]) throw new Error("self-attention only");
    return wholeMaps()(q, k, v, o);
  },
  "refuses options it does not know": (q, k, v, o = {}) => {
    const unknown = Object.keys(o).find((n) => !["causal", "mask", "scale", "keyPadding"].includes(n));
    if (unknown) throw new Error(`unknown option ${unknown}`);
    return flattened()(q, k, v, o);
  },
  "one key head for each query head": (q, k, v, o) => {
    if (q.shape[1] !== k.shape[1]) throw new Error("no grouped heads");
    return loops()(q, k, v, o);
  },
};

/** Right, with a convention of their own. */
export const conventions: Record<string, [rule: string, AttentionFunction]> = {
  "causal at the upper left": ["causal-alignment", loops({ visible: seen({ causal: (p) => p.j <= p.i }) })],
  "an empty row is refused": [
    "dead-row-NaN",
    (q, k, v, o = {}) => {
      const visible = visibleTo(q, k, o);
      const [B, H, Lq] = q.shape as [number, number, number];
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let i = 0; i < Lq; i++)
            if (
              !Array.from({ length: k.shape[2]! }, (_, j) => visible(b, h, i, j)).includes(true) &&
              q.shape[2]! <= k.shape[2]!
            )
              throw new Error(`query ${i} sees no key`);
      return loops()(q, k, v, o);
    },
  ],
  "window: 3 is three keys": [
    "window-off-by-one",
    (q, k, v, o = {}) =>
      loops({
        visible: (p) =>
          p.causal(p.i, p.j) &&
          p.mask(p.b, p.h, p.i, p.j) &&
          p.pad(p.b, p.j) &&
          (typeof o["window"] !== "number" || p.j > p.i - o["window"]),
      })(q, k, v, o),
  ],
};
