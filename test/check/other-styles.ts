/**
 * @file More right attentions, each with arithmetic or a data layout of its own: bfloat16, base 2, log space, transposed
 * keys, a backward walk, Float64Array, repeated key heads, a window written into the mask. No quirks: they stay right.
 */
import type { AttentionFunction, CandidateOptions, Numbers } from "../../src/check/types.js";
import { asker } from "./styles.js";

type Row = (scores: number[]) => number[];
interface Manner {
  /** Scores of one row, hidden ones −∞, to weights. */
  soften: Row;
  round?: (x: number) => number;
  factor?: number;
  seen?: (i: number, j: number, o: CandidateOptions) => boolean;
}

/** A plain function of rows; what differs is how a row is softened and rounded. */
const inRows =
  ({ soften, round = (x) => x, factor = 1, seen = () => true }: Manner) =>
  (q: Numbers, k: Numbers, v: Numbers, o: CandidateOptions = {}): Float64Array => {
    const [B, H, Lq, D] = q.shape as [number, number, number, number];
    const [, Hk, Lk] = k.shape as [number, number, number];
    const Dv = v.shape[3]!;
    const { pair } = asker(q, k, o);
    const scale = round((o.scale ?? D ** -0.5) * factor);
    const out = new Float64Array(B * H * Lq * Dv);
    for (let row = 0; row < B * H * Lq; row++) {
      const [b, h, i] = [Math.floor(row / (H * Lq)), Math.floor(row / Lq) % H, row % Lq];
      const from = (b * Hk + Math.floor((h * Hk) / H)) * Lk;
      const weights = soften(
        Array.from({ length: Lk }, (_, j) => {
          const p = pair(b, h, i, j);
          if (!(p.causal(i, j) && p.mask(b, h, i, j) && p.pad(b, j) && seen(i + Lk - Lq, j, o)))
            return Number.NEGATIVE_INFINITY;
          let s = 0;
          for (let d = 0; d < D; d++) s = round(s + round(q.data[row * D + d]! * k.data[(from + j) * D + d]!));
          return round(s * scale);
        }),
      );
      weights.forEach((w, j) => {
        if (w === 0) return;
        for (let d = 0; d < Dv; d++)
          out[row * Dv + d] = round(out[row * Dv + d]! + round(round(w) * v.data[(from + j) * Dv + d]!));
      });
    }
    return out;
  };

const shaped = (data: ArrayLike<number>, q: Numbers, v: Numbers) => ({
  data,
  shape: [...q.shape.slice(0, 3), v.shape[3]!],
});
const top = (s: number[]) => Math.max(...s);
const sum = (x: number[]) => x.reduce((a, y) => a + y, 0);
const none = (s: number[]) => top(s) === Number.NEGATIVE_INFINITY;
const shares = (e: number[]) => {
  const l = sum(e);
  return e.map((x) => x / l);
};
const usual: Row = (s) => (none(s) ? s.map(() => 0) : shares(s.map((x) => Math.exp(x - top(s)))));
const inBase2: Row = (s) => (none(s) ? s.map(() => 0) : shares(s.map((x) => 2 ** (x - top(s)))));
const inLogs: Row = (s) => {
  if (none(s)) return s.map(() => 0);
  const lse = top(s) + Math.log(sum(s.map((x) => Math.exp(x - top(s)))));
  return s.map((x) => Math.exp(x - lse));
};

/** Rounds to bfloat16: float32 with its last two bytes rounded away, half to even. */
export function brain(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  if (!Number.isFinite(x)) return x;
  bits[0] = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0]!;
}

/** Keys are laid out [B, Hk, D, Lk] first; queries go in chunks of two; the scale is in q; the sum is divided last. */
const transposedKeys: AttentionFunction = (q, k, v, o: CandidateOptions = {}) => {
  const [B, H, Lq, D] = q.shape as [number, number, number, number];
  const [, Hk, Lk] = k.shape as [number, number, number];
  const Dv = v.shape[3]!;
  const turned = new Float32Array(k.data.length);
  k.data.forEach((x, n) => {
    const [head, j, d] = [Math.floor(n / (Lk * D)), Math.floor(n / D) % Lk, n % D];
    turned[(head * D + d) * Lk + j] = x;
  });
  const { pair } = asker(q, k, o);
  const out = new Float32Array(B * H * Lq * Dv);
  for (let n = 0; n < B * H; n++)
    for (let chunk = 0; chunk < Lq; chunk += 2)
      for (let i = chunk; i < Math.min(Lq, chunk + 2); i++) {
        const [b, h] = [Math.floor(n / H), n % H];
        const head = b * Hk + Math.floor((h * Hk) / H);
        const s = new Float32Array(Lk);
        for (let d = 0; d < D; d++) {
          const x = q.data[(n * Lq + i) * D + d]! * (o.scale ?? 1 / Math.sqrt(D));
          for (let j = 0; j < Lk; j++) s[j]! += x * turned[(head * D + d) * Lk + j]!;
        }
        const open = (j: number) => {
          const p = pair(b, h, i, j);
          return p.causal(i, j) && p.mask(b, h, i, j) && p.pad(b, j);
        };
        const keys = [...s.keys()].filter(open);
        const shift = keys.reduce((m, j) => Math.max(m, s[j]!), Number.NEGATIVE_INFINITY);
        let l = 0;
        for (const j of keys) {
          const e = Math.exp(s[j]! - shift);
          l += e;
          for (let d = 0; d < Dv; d++) out[(n * Lq + i) * Dv + d]! += e * v.data[(head * Lk + j) * Dv + d]!;
        }
        if (l > 0) for (let d = 0; d < Dv; d++) out[(n * Lq + i) * Dv + d]! /= l;
      }
  return { data: out, dims: [B, H, Lq, Dv] };
};

/** From the last key to the first, with a running maximum that starts at a finite number. */
const backwards: Row = (s) => {
  let [m, l] = [-1e30, 0];
  for (let j = s.length - 1; j >= 0; j--) {
    if (s[j] === Number.NEGATIVE_INFINITY) continue;
    const next = Math.max(m, s[j]!);
    l = l * Math.exp(m - next) + Math.exp(s[j]! - next);
    m = next;
  }
  return s.map((x) => (l === 0 ? 0 : Math.exp(x - m) / l));
};

/** Each key head copied for every query head of its group. */
const repeated = (t: Numbers, H: number): Numbers => {
  const [B, Hk, L, D] = t.shape as [number, number, number, number];
  const data = new Float32Array(B * H * L * D);
  for (let n = 0; n < B * H; n++) {
    const from = (Math.floor(n / H) * Hk + Math.floor((n % H) / (H / Hk))) * L * D;
    data.set(t.data.subarray(from, from + L * D), n * L * D);
  }
  return { data, shape: [B, H, L, D], dims: [B, H, L, D] };
};

type Window = { left: number; right?: number };
const inWindow = (i: number, j: number, o: CandidateOptions) => {
  const w = o["window"] as Window | undefined;
  return !w || (j >= i - w.left && j <= i + (w.right ?? 0));
};

export const otherStyles: Record<string, AttentionFunction> = {
  "bfloat16 at every step": (q, k, v, o) =>
    shaped(Float32Array.from(inRows({ soften: (s) => usual(s).map(brain), round: brain })(q, k, v, o)), q, v),
  "base 2, log₂e folded into the scale": (q, k, v, o) =>
    shaped(inRows({ soften: inBase2, factor: Math.LOG2E })(q, k, v, o), q, v),
  "softmax in log space, Float64Array": (q, k, v, o) => shaped(inRows({ soften: inLogs })(q, k, v, o), q, v),
  "transposed keys, chunks of queries": transposedKeys,
  "from the last key to the first, async": async (q, k, v, o) =>
    Float32Array.from(inRows({ soften: backwards })(q, k, v, o)),
  "key heads repeated": (q, k, v, o) => {
    const H = q.shape[1]!;
    return shaped(inRows({ soften: usual })(q, repeated(k, H), repeated(v, H), o), q, v);
  },
  "a window written into the mask": (q, k, v, o) => shaped(inRows({ soften: usual, seen: inWindow })(q, k, v, o), q, v),
  "nested arrays of float32": (q, k, v, o) => {
    const flat = Float32Array.from(inRows({ soften: usual, round: Math.fround })(q, k, v, o));
    const [B, H, Lq] = q.shape as [number, number, number];
    const Dv = v.shape[3]!;
    const list = <T>(n: number, make: (x: number) => T) => Array.from({ length: n }, (_, x) => make(x));
    return list(B, (b) => list(H, (h) => list(Lq, (i) => list(Dv, (d) => flat[((b * H + h) * Lq + i) * Dv + d]!))));
  },
};
