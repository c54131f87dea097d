/**
 * @file Attention with its mistakes as parameters, in float64.
 *
 * A recipe without entries is the specification:  W = softmax(scale · q kᵀ, masked pairs absent) over keys,  o = W v.
 * Each entry departs from it in one way that has a name. The checker looks which recipe reproduces what a candidate
 * returned; that recipe's departures are the diagnosis.
 */
import type { Pairs, Problem, Shape } from "./problem.js";

/**
 * Along which axis the weights of [B, H, Lq, Lk] are made to sum to one; or what stands in the softmax's place: nothing,
 * s/Σs, e^s without its sum, a sigmoid of each score.
 */
export type SoftmaxAxis = "keys" | "queries" | "heads" | "batch" | "map" | InPlaceOfSoftmax;
export type InPlaceOfSoftmax = "nothing" | "sum" | "exp" | "sigmoid";

/** What happens to a pair that may not attend. "absent" is right. */
export type Mechanism =
  | { kind: "absent" }
  | { kind: "multiply" } //  score · 0, before softmax
  | { kind: "fill"; value: number } // score := value
  | { kind: "add"; value: number } //  score + value
  | { kind: "after" }; //    weight := 0 after softmax; the row no longer sums to 1

export interface Masking {
  pairs: Pairs;
  mechanism: Mechanism;
}

export interface Recipe {
  /** The factor on q·k; default the problem's `scale`, else 1/√D. */
  scale?: number;
  softmax?: SoftmaxAxis;
  /** Factor on the weights after softmax. */
  weightFactor?: number;
  /** Which operands are multiplied and mixed. */
  operands?: "q·k, v" | "k·q, v" | "q·k, q" | "q·k, k" | "q·v, v";
  /** The key head a query head reads; default contiguous groups. */
  keyHead?: (h: number, p: Shape) => number;
  /** Changes a scaled score before any mask. */
  score?: (s: number, b: number, h: number, i: number, j: number) => number;
  maskings?: Masking[];
}

export interface Simulated {
  weights: Float64Array; // [B, H, Lq, Lk]
  output: Float64Array; //  [B, H, Lq, Dv]
  /** [B, H, Lq]: 1 where the row may attend to nothing, so its values are open. */
  dead: Uint8Array;
}

export const defaultScale = (D: number): number => 1 / Math.sqrt(D);

/** Scores q·k before scaling, [B, H, Lq, Lk]. */
export function rawScores(p: Problem, recipe: Recipe = {}): Float64Array {
  const { B, H, Hk, Lq, Lk, D } = p;
  const keyHead = recipe.keyHead ?? ((h: number) => Math.floor((h * Hk) / H));
  const out = new Float64Array(B * H * Lq * Lk);
  const flip = recipe.operands === "k·q, v";
  const right = recipe.operands === "q·v, v" ? p.v : p.k;
  let n = 0;
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < Lq; i++)
        for (let j = 0; j < Lk; j++) {
          const a = ((b * H + h) * Lq + (flip ? j : i)) * D;
          const c = ((b * Hk + keyHead(h, p)) * Lk + (flip ? i : j)) * D;
          let s = 0;
          for (let d = 0; d < D; d++) s += p.q[a + d]! * right[c + d]!;
          out[n++] = s;
        }
  return out;
}

/** Runs a recipe. Cost: B·H·Lq·Lk·(D + Dv) multiply-adds. */
export function simulate(p: Problem, recipe: Recipe = {}, raw: Float64Array = rawScores(p, recipe)): Simulated {
  const { B, H, Lq, Lk } = p;
  const scale = recipe.scale ?? p.scale ?? defaultScale(p.D);
  const maskings = recipe.maskings ?? [];
  const s = new Float64Array(raw.length);
  const dead = new Uint8Array(B * H * Lq);
  const at = (b: number, h: number, i: number, j: number) => ((b * H + h) * Lq + i) * Lk + j;
  each(p, (b, h, i) => {
    let open = 0;
    for (let j = 0; j < Lk; j++) {
      let x = raw[at(b, h, i, j)]! * scale;
      if (recipe.score) x = recipe.score(x, b, h, i, j);
      let absent = false;
      for (const { pairs, mechanism } of maskings) {
        if (pairs(b, h, i, j)) continue;
        if (mechanism.kind === "absent") absent = true;
        else if (mechanism.kind === "multiply") x *= 0;
        else if (mechanism.kind === "fill") x = mechanism.value;
        else if (mechanism.kind === "add") x += mechanism.value;
      }
      if (!absent) open++;
      s[at(b, h, i, j)] = absent ? Number.NEGATIVE_INFINITY : x;
    }
    if (open === 0) dead[(b * H + h) * Lq + i] = 1;
  });
  const weights = normalise(p, s, recipe.softmax ?? "keys");
  for (const { pairs, mechanism } of maskings) {
    if (mechanism.kind !== "after") continue;
    each(p, (b, h, i) => {
      for (let j = 0; j < Lk; j++) if (!pairs(b, h, i, j)) weights[at(b, h, i, j)] = 0;
    });
  }
  if (recipe.weightFactor !== undefined) for (let n = 0; n < weights.length; n++) weights[n]! *= recipe.weightFactor;
  return { weights, output: mix(p, weights, recipe), dead };
}

function each(p: Shape, visit: (b: number, h: number, i: number) => void): void {
  for (let b = 0; b < p.B; b++) for (let h = 0; h < p.H; h++) for (let i = 0; i < p.Lq; i++) visit(b, h, i);
}

/** Softmax over the groups an axis makes; −∞ gives 0, a group of nothing but −∞ gives zeros. */
function normalise(p: Shape, s: Float64Array, axis: SoftmaxAxis): Float64Array {
  const { B, H, Lq, Lk } = p;
  const out = new Float64Array(s.length);
  if (axis === "nothing") return s; // a hidden score stays −∞: only a softmax turns it into nothing
  if (axis === "exp") return s.map(Math.exp);
  if (axis === "sigmoid") return s.map((x) => 1 / (1 + Math.exp(-x)));
  if (axis === "keys" || axis === "sum") {
    const into = axis === "keys" ? softmaxInto : sharesInto;
    for (let row = 0; row < B * H * Lq; row++) into(s, out, row * Lk, Lk);
    return out;
  }
  const group: Record<
    Exclude<SoftmaxAxis, InPlaceOfSoftmax | "keys">,
    (b: number, h: number, i: number, j: number) => number
  > = {
    queries: (b, h, _i, j) => (b * H + h) * Lk + j,
    heads: (b, _h, i, j) => (b * Lq + i) * Lk + j,
    batch: (_b, h, i, j) => (h * Lq + i) * Lk + j,
    map: (b, h) => b * H + h,
  };
  const members = new Map<number, number[]>();
  let n = 0;
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < Lq; i++)
        for (let j = 0; j < Lk; j++) {
          const g = group[axis](b, h, i, j);
          const list = members.get(g);
          if (list) list.push(n++);
          else members.set(g, [n++]);
        }
  for (const list of members.values()) {
    const top = list.reduce((m, x) => Math.max(m, s[x]!), Number.NEGATIVE_INFINITY);
    if (top === Number.NEGATIVE_INFINITY) continue;
    let sum = 0;
    for (const x of list) sum += out[x] = Math.exp(s[x]! - top);
    for (const x of list) out[x]! /= sum;
  }
  return out;
}

function softmaxInto(s: Float64Array, out: Float64Array, from: number, length: number): void {
  let top = Number.NEGATIVE_INFINITY;
  for (let n = from; n < from + length; n++) if (s[n]! > top) top = s[n]!;
  if (top === Number.NEGATIVE_INFINITY) return;
  let sum = 0;
  for (let n = from; n < from + length; n++) sum += out[n] = Math.exp(s[n]! - top);
  for (let n = from; n < from + length; n++) out[n]! /= sum;
}

/** s/Σs; a hidden score has no share. */
function sharesInto(s: Float64Array, out: Float64Array, from: number, length: number): void {
  const seen = (n: number) => (s[n] === Number.NEGATIVE_INFINITY ? 0 : s[n]!);
  let sum = 0;
  for (let n = from; n < from + length; n++) sum += seen(n);
  for (let n = from; n < from + length; n++) out[n] = seen(n) / sum;
}

function mix(p: Problem, weights: Float64Array, recipe: Recipe): Float64Array {
  const { B, H, Hk, Lq, Lk, Dv } = p;
  const values = recipe.operands === "q·k, q" ? p.q : recipe.operands === "q·k, k" ? p.k : p.v;
  const keyHead = recipe.keyHead ?? ((h: number) => Math.floor((h * Hk) / H));
  const out = new Float64Array(B * H * Lq * Dv);
  each(p, (b, h, i) => {
    const row = (b * H + h) * Lq + i;
    for (let j = 0; j < Lk; j++) {
      const w = weights[row * Lk + j]!;
      if (w === 0) continue; // absent: never 0 · NaN
      const from = ((b * Hk + keyHead(h, p)) * Lk + j) * Dv;
      for (let d = 0; d < Dv; d++) out[row * Dv + d]! += w * values[from + d]!;
    }
  });
  return out;
}
