/**
 * @file Attention written in many ways, each a whole implementation of its own, each able to make a mistake.
 *
 * Without quirks every style is right. A quirk changes one decision (who is visible, what hides, how scores scale), and
 * the style carries it out in its own manner.
 */
import type { AttentionFunction, CandidateOptions, Numbers } from "../../src/check/types.js";

/** What a style asks about a pair. */
export interface Pair {
  b: number;
  h: number;
  i: number;
  j: number;
  B: number;
  H: number;
  Lq: number;
  Lk: number;
  options: CandidateOptions;
  /** The caller's mask at any place; true without one. */
  mask(b: number, h: number, i: number, j: number): boolean;
  pad(b: number, j: number): boolean;
  causal(i: number, j: number): boolean;
}

export type Hide =
  | { how: "absent" }
  | { how: "multiply" }
  | { how: "fill"; value: number }
  | { how: "add"; value: number }
  | { how: "after" }
  | { how: "renormalise" };

export interface Quirks {
  visible?(p: Pair): boolean;
  /** How a hidden pair is hidden; may depend on the options of the call. */
  hide?: Hide | ((options: CandidateOptions) => Hide);
  scale?(D: number, H: number, given: number | undefined): number;
  keyHead?(h: number, H: number, Hk: number): number;
  /** Skip the subtraction of the row's largest score. */
  unshifted?: boolean;
  /** What an empty row gives. */
  empty?: "zeros" | "NaN" | "mean";
  /** Multiply every value by its weight, hidden ones too. */
  dense?: boolean;
  score?(s: number, p: Pair, D: number): number;
  weight?(w: number, p: Pair): number;
}

/** The caller's options as questions. */
export function asker(q: Numbers, k: Numbers, options: CandidateOptions) {
  const [B, H, Lq] = q.shape as [number, number, number];
  const Lk = k.shape[2]!;
  const m = options.mask;
  const shape = m ? [...new Array<number>(4 - m.shape.length).fill(1), ...m.shape] : [1, 1, 1, 1];
  const [, mh, mi, mj] = shape as [number, number, number, number];
  const mask = (b: number, h: number, i: number, j: number) =>
    !m ||
    m.data[
      (((shape[0] === 1 ? 0 : b) * mh + (mh === 1 ? 0 : h)) * mi + (mi === 1 ? 0 : i)) * mj + (mj === 1 ? 0 : j)
    ] === 1;
  const pad = (b: number, j: number) => !options.keyPadding || options.keyPadding.data[b * Lk + j] === 1;
  const causal = (i: number, j: number) => !options.causal || j <= i + Lk - Lq;
  const one: Pair = { b: 0, h: 0, i: 0, j: 0, B, H, Lq, Lk, options, mask, pad, causal };
  /** The same object each time: asked and forgotten. */
  const pair = (b: number, h: number, i: number, j: number): Pair => {
    one.b = b;
    one.h = h;
    one.i = i;
    one.j = j;
    return one;
  };
  return { pair };
}

const usual = (p: Pair) => p.causal(p.i, p.j) && p.mask(p.b, p.h, p.i, p.j) && p.pad(p.b, p.j);
const hideOf = (quirks: Quirks, options: CandidateOptions): Hide =>
  typeof quirks.hide === "function" ? quirks.hide(options) : (quirks.hide ?? { how: "absent" });
const scaleOf = (quirks: Quirks, D: number, H: number, options: CandidateOptions) =>
  quirks.scale ? quirks.scale(D, H, options.scale) : (options.scale ?? 1 / Math.sqrt(D));

export type Style = (quirks?: Quirks) => AttentionFunction;

/** One query at a time, plain numbers (float64). */
export const loops: Style =
  (quirks = {}) =>
  (q, k, v, options = {}) =>
    rowByRow(q, k, v, options, quirks, (x) => x);

/** The same in float32: every operation is rounded. */
export const float32Loops: Style =
  (quirks = {}) =>
  (q, k, v, options = {}) =>
    rowByRow(q, k, v, options, quirks, Math.fround);

/** Every operation is rounded to float16. */
export const float16Loops: Style =
  (quirks = {}) =>
  (q, k, v, options = {}) =>
    rowByRow(q, k, v, options, quirks, half);

/** Rounds to float16: ten digits after the first, overflow at 65520. */
export function half(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const e = Math.max(Math.floor(Math.log2(Math.abs(x))), -14);
  const unit = 2 ** (e - 10);
  const scaled = x / unit;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor) * unit;
  return Math.abs(rounded) >= 65520 ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

function rowByRow(
  q: Numbers,
  k: Numbers,
  v: Numbers,
  options: CandidateOptions,
  quirks: Quirks,
  round: (x: number) => number,
) {
  const [B, H, Lq, D] = q.shape as [number, number, number, number];
  const [, Hk, Lk] = k.shape as [number, number, number];
  const Dv = v.shape[3]!;
  const ask = asker(q, k, options);
  const scale = round(scaleOf(quirks, D, H, options));
  const hide = hideOf(quirks, options);
  const out = new Float32Array(B * H * Lq * Dv);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++) {
      const kh = quirks.keyHead ? quirks.keyHead(h, H, Hk) : Math.floor((h * Hk) / H);
      for (let i = 0; i < Lq; i++) {
        const row: { j: number; s: number; seen: boolean }[] = [];
        for (let j = 0; j < Lk; j++) {
          const pair = ask.pair(b, h, i, j);
          let s = 0;
          for (let d = 0; d < D; d++)
            s = round(s + round(q.data[((b * H + h) * Lq + i) * D + d]! * k.data[((b * Hk + kh) * Lk + j) * D + d]!));
          s = round(s * scale);
          if (quirks.score) s = round(quirks.score(s, pair, D));
          const seen = (quirks.visible ?? usual)(pair);
          if (!seen && hide.how === "absent") {
            if (quirks.dense) row.push({ j, s: Number.NEGATIVE_INFINITY, seen });
            continue;
          }
          if (!seen && hide.how === "multiply") s = round(s * 0);
          if (!seen && hide.how === "fill") s = round(hide.value);
          if (!seen && hide.how === "add") s = round(s + round(hide.value));
          row.push({ j, s, seen });
        }
        const base = ((b * H + h) * Lq + i) * Dv;
        const top = quirks.unshifted ? 0 : row.reduce((m, r) => Math.max(m, r.s), Number.NEGATIVE_INFINITY);
        if (row.length === 0 || top === Number.NEGATIVE_INFINITY) {
          fillEmpty(out, base, Dv, v, (b * Hk + kh) * Lk * Dv, Lk, quirks.empty ?? "zeros");
          continue;
        }
        let sum = 0;
        const weights = row.map(({ s }) => {
          const e = round(Math.exp(round(s - top)));
          sum = round(sum + e);
          return e;
        });
        const kept = weights.map((e, n) => (row[n]!.seen || !["after", "renormalise"].includes(hide.how) ? e : 0));
        const total = hide.how === "renormalise" ? kept.reduce((a, x) => a + x, 0) : sum;
        row.forEach(({ j }, n) => {
          let w = round(kept[n]! / total);
          if (quirks.weight) w = quirks.weight(w, ask.pair(b, h, i, j));
          for (let d = 0; d < Dv; d++)
            out[base + d] = round(out[base + d]! + round(w * v.data[((b * Hk + kh) * Lk + j) * Dv + d]!));
        });
      }
    }
  return { data: out, shape: [B, H, Lq, Dv] };
}

function fillEmpty(
  out: Float32Array,
  base: number,
  Dv: number,
  v: Numbers,
  from: number,
  Lk: number,
  how: "zeros" | "NaN" | "mean",
) {
  for (let d = 0; d < Dv; d++) {
    if (how === "NaN") out[base + d] = Number.NaN;
    if (how !== "mean") continue;
    let sum = 0;
    for (let j = 0; j < Lk; j++) sum += v.data[from + j * Dv + d]!;
    out[base + d] = sum / Lk;
  }
}

/** Whole maps, one operation after the other, as array libraries do it: scores, mask, softmax, mix. */
export const wholeMaps: Style =
  (quirks = {}) =>
  (q, k, v, options = {}) => {
    const [B, H, Lq, D] = q.shape as [number, number, number, number];
    const [, Hk, Lk] = k.shape as [number, number, number];
    const Dv = v.shape[3]!;
    const ask = asker(q, k, options);
    const scale = scaleOf(quirks, D, H, options);
    const hide = hideOf(quirks, options);
    const kv = (h: number) => (quirks.keyHead ? quirks.keyHead(h, H, Hk) : Math.floor(h / (H / Hk)));
    const map = (f: (b: number, h: number, i: number, j: number, n: number) => number) => {
      const m = new Float64Array(B * H * Lq * Lk);
      let n = 0;
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++)
          for (let i = 0; i < Lq; i++) for (let j = 0; j < Lk; j++, n++) m[n] = f(b, h, i, j, n);
      return m;
    };
    const keep = map((b, h, i, j) => ((quirks.visible ?? usual)(ask.pair(b, h, i, j)) ? 1 : 0));
    let scores = map((b, h, i, j) => {
      const a = q.data.subarray(((b * H + h) * Lq + i) * D);
      const c = k.data.subarray(((b * Hk + kv(h)) * Lk + j) * D);
      let s = 0;
      for (let d = 0; d < D; d++) s += a[d]! * c[d]!;
      s *= scale;
      return quirks.score ? quirks.score(s, ask.pair(b, h, i, j), D) : s;
    });
    if (hide.how === "multiply") scores = scores.map((s, n) => s * keep[n]!);
    if (hide.how === "fill") scores = scores.map((s, n) => (keep[n] ? s : hide.value));
    if (hide.how === "add") scores = scores.map((s, n) => s + (1 - keep[n]!) * hide.value);
    if (hide.how === "absent") scores = scores.map((s, n) => (keep[n] ? s : Number.NEGATIVE_INFINITY));
    const weights = new Float64Array(scores.length);
    for (let row = 0; row < B * H * Lq; row++) {
      const s = scores.subarray(row * Lk, (row + 1) * Lk);
      const top = quirks.unshifted ? 0 : Math.max(...s);
      if (top === Number.NEGATIVE_INFINITY) {
        if (quirks.empty === "NaN") weights.fill(Number.NaN, row * Lk, (row + 1) * Lk);
        if (quirks.empty === "mean") weights.fill(1 / Lk, row * Lk, (row + 1) * Lk);
        continue;
      }
      const e = s.map((x) => Math.exp(x - top));
      const masked = hide.how === "renormalise" ? e.map((x, j) => x * keep[row * Lk + j]!) : e;
      const sum = masked.reduce((a, x) => a + x, 0);
      weights.set(
        masked.map((x) => x / sum),
        row * Lk,
      );
    }
    if (hide.how === "after") for (let n = 0; n < weights.length; n++) weights[n]! *= keep[n]!;
    const out = new Float32Array(B * H * Lq * Dv);
    let n = 0;
    for (let b = 0; b < B; b++)
      for (let h = 0; h < H; h++)
        for (let i = 0; i < Lq; i++)
          for (let d = 0; d < Dv; d++) {
            let sum = 0;
            for (let j = 0; j < Lk; j++) {
              const at = ((b * H + h) * Lq + i) * Lk + j;
              const w = quirks.weight ? quirks.weight(weights[at]!, ask.pair(b, h, i, j)) : weights[at]!;
              if (w !== 0 || quirks.dense) sum += w * v.data[((b * Hk + kv(h)) * Lk + j) * Dv + d]!;
            }
            out[n++] = sum;
          }
    return { data: out, shape: [B, H, Lq, Dv] };
  };

/** Batch and heads flattened to rows; nested arrays inside; gives back a bare typed array. */
export const flattened: Style =
  (quirks = {}) =>
  (q, k, v, options = {}) => {
    const [B, H, Lq, D] = q.shape as [number, number, number, number];
    const [, Hk, Lk] = k.shape as [number, number, number];
    const Dv = v.shape[3]!;
    const ask = asker(q, k, options);
    const hide = hideOf(quirks, options);
    const rowsOf = (x: Numbers, L: number, width: number) => (n: number) =>
      Array.from({ length: L }, (_, i) => Array.from(x.data.subarray((n * L + i) * width, (n * L + i + 1) * width)));
    const [qs, ks, vs] = [rowsOf(q, Lq, D), rowsOf(k, Lk, D), rowsOf(v, Lk, Dv)];
    const scale = scaleOf(quirks, D, H, options);
    const out: number[] = [];
    for (let n = 0; n < B * H; n++) {
      const [b, h] = [Math.floor(n / H), n % H];
      const kn = b * Hk + (quirks.keyHead ? quirks.keyHead(h, H, Hk) : Math.floor((h * Hk) / H));
      const [keys, values] = [ks(kn), vs(kn)];
      qs(n).forEach((query, i) => {
        const seen = keys.map((_, j) => (quirks.visible ?? usual)(ask.pair(b, h, i, j)));
        const scores = keys.map((key, j) => {
          const s = query.reduce((a, x, d) => a + x * key[d]!, 0) * scale;
          const t = quirks.score ? quirks.score(s, ask.pair(b, h, i, j), D) : s;
          if (seen[j]) return t;
          if (hide.how === "multiply") return t * 0;
          if (hide.how === "fill") return hide.value;
          if (hide.how === "add") return t + hide.value;
          return hide.how === "absent" ? Number.NEGATIVE_INFINITY : t;
        });
        const top = quirks.unshifted ? 0 : Math.max(...scores);
        const e = scores.map((s) => (top === Number.NEGATIVE_INFINITY ? 0 : Math.exp(s - top)));
        const kept = hide.how === "renormalise" ? e.map((x, j) => (seen[j] ? x : 0)) : e;
        const sum = kept.reduce((a, x) => a + x, 0);
        const w = kept.map((x, j) => {
          if (top === Number.NEGATIVE_INFINITY)
            return quirks.empty === "NaN" ? Number.NaN : quirks.empty === "mean" ? 1 / Lk : 0;
          const y = hide.how === "after" && !seen[j] ? 0 : x / sum;
          return quirks.weight ? quirks.weight(y, ask.pair(b, h, i, j)) : y;
        });
        for (let d = 0; d < Dv; d++)
          out.push(w.reduce((a, x, j) => a + (x === 0 && !quirks.dense ? 0 : x * values[j]![d]!), 0));
      });
    }
    return Float32Array.from(out);
  };

/** One pass over the keys with a running maximum and sum; a tile of two keys at a time; async. */
export const online: Style =
  (quirks = {}) =>
  async (q, k, v, options = {}) => {
    const [B, H, Lq, D] = q.shape as [number, number, number, number];
    const [, Hk, Lk] = k.shape as [number, number, number];
    const Dv = v.shape[3]!;
    const ask = asker(q, k, options);
    const scale = scaleOf(quirks, D, H, options);
    const hide = hideOf(quirks, options);
    const out = new Float32Array(B * H * Lq * Dv);
    await Promise.resolve();
    for (let b = 0; b < B; b++)
      for (let h = 0; h < H; h++)
        for (let i = 0; i < Lq; i++) {
          let m = Number.NEGATIVE_INFINITY;
          let l = 0;
          let acc = new Float64Array(Dv);
          const kh = quirks.keyHead ? quirks.keyHead(h, H, Hk) : Math.floor((h * Hk) / H);
          for (let tile = 0; tile < Lk; tile += 2)
            for (let j = tile; j < Math.min(Lk, tile + 2); j++) {
              const pair = ask.pair(b, h, i, j);
              const seen = (quirks.visible ?? usual)(pair);
              if (!seen && hide.how === "absent") continue;
              let s = 0;
              for (let d = 0; d < D; d++)
                s += q.data[((b * H + h) * Lq + i) * D + d]! * k.data[((b * Hk + kh) * Lk + j) * D + d]!;
              s *= scale;
              if (quirks.score) s = quirks.score(s, pair, D);
              if (!seen && hide.how === "multiply") s *= 0;
              if (!seen && hide.how === "fill") s = hide.value;
              if (!seen && hide.how === "add") s += hide.value;
              const next = Math.max(m, s);
              const shrink = Math.exp(m - next);
              const e = Math.exp(s - next);
              l = l * shrink + (!seen && hide.how === "renormalise" ? 0 : e);
              const w =
                !seen && (hide.how === "after" || hide.how === "renormalise")
                  ? 0
                  : quirks.weight
                    ? quirks.weight(e, pair)
                    : e;
              acc = acc.map((x, d) => x * shrink + w * v.data[((b * Hk + kh) * Lk + j) * Dv + d]!);
              m = next;
            }
          const base = ((b * H + h) * Lq + i) * Dv;
          if (l === 0 && m === Number.NEGATIVE_INFINITY)
            fillEmpty(out, base, Dv, v, (b * Hk + kh) * Lk * Dv, Lk, quirks.empty ?? "zeros");
          else
            out.set(
              acc.map((x) => x / l),
              base,
            );
        }
    return { data: out, dims: [B, H, Lq, Dv] };
  };

export const styles = { loops, float32Loops, wholeMaps, flattened, online };
