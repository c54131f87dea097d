/**
 * @file A problem: the arguments of one call, and which pairs its options allow.
 *
 * B batch · H query heads · Hk key heads · Lq, Lk lengths · D, Dv head sizes. Every problem is seeded.
 */
import { Random } from "./numbers.js";

export interface Shape {
  B: number;
  H: number;
  Hk: number;
  Lq: number;
  Lk: number;
  D: number;
  Dv: number;
}

/** May query i of head h of item b attend to key j? */
export type Pairs = (b: number, h: number, i: number, j: number) => boolean;

export interface MaskOption {
  data: Uint8Array;
  /** Broadcasts to [B, H, Lq, Lk]. */
  shape: number[];
}

export interface Problem extends Shape {
  q: Float32Array; // [B, H, Lq, D]
  k: Float32Array; // [B, Hk, Lk, D]
  v: Float32Array; // [B, Hk, Lk, Dv]
  causal?: boolean;
  mask?: MaskOption;
  keyPadding?: Uint8Array; // [B, Lk]
  scale?: number;
  /** Options beyond the four that every candidate is expected to take. */
  extra?: Record<string, unknown>;
}

/** Fills the axes that were not named: square, as many key heads as query heads, Dv = D. */
export function shapeOf(part: Partial<Shape> & { B: number; H: number; D: number; Lk: number }): Shape {
  const { B, H, D, Lk } = part;
  return { B, H, Lk, D, Hk: part.Hk ?? H, Lq: part.Lq ?? Lk, Dv: part.Dv ?? D };
}

/** Random q, k, v. Scores spread with a deviation of about 1.5, so that weights differ and none is negligible. */
export function problem(shape: Shape, seed: number): Problem {
  const r = new Random(seed * 7919 + shape.B * 31 + shape.H * 37 + shape.Lq * 41 + shape.Lk * 43 + shape.D * 47);
  const { B, H, Hk, Lq, Lk, D, Dv } = shape;
  return { ...shape, q: r.grid(B * H * Lq * D, 1.2), k: r.grid(B * Hk * Lk * D, 1.2), v: r.grid(B * Hk * Lk * Dv) };
}

/** The mask of a problem as a question. A mask axis of 1 is shared. */
export function maskPairs(_p: Shape, mask: MaskOption): Pairs {
  const shape = [...new Array<number>(4 - mask.shape.length).fill(1), ...mask.shape];
  const [mb, mh, mi, mj] = shape as [number, number, number, number];
  const strides = [mb > 1 ? mh * mi * mj : 0, mh > 1 ? mi * mj : 0, mi > 1 ? mj : 0, mj > 1 ? 1 : 0] as const;
  return (b, h, i, j) => mask.data[b * strides[0] + h * strides[1] + i * strides[2] + j * strides[3]] === 1;
}

export function paddingPairs(p: Shape, keyPadding: Uint8Array): Pairs {
  return (b, _h, _i, j) => keyPadding[b * p.Lk + j] === 1;
}

/** Lower-right: the last query sees the last key. The two corners agree when Lq = Lk. */
export function causalPairs(p: Shape, corner: "lower-right" | "upper-left" = "lower-right"): Pairs {
  const offset = corner === "lower-right" ? p.Lk - p.Lq : 0;
  return (_b, _h, i, j) => j <= i + offset;
}

/** What the options of a problem allow together, by the right meaning. */
export function allowedPairs(p: Problem, corner: "lower-right" | "upper-left" = "lower-right"): Pairs {
  const all: Pairs[] = [];
  if (p.causal) all.push(causalPairs(p, corner));
  if (p.mask) all.push(maskPairs(p, p.mask));
  if (p.keyPadding) all.push(paddingPairs(p, p.keyPadding));
  return (b, h, i, j) => all.every((f) => f(b, h, i, j));
}

/**
 * A mask of a given shape in which every row and every column has both kinds, in no symmetric order, different for
 * every batch item and head it has: an inverted, transposed, permuted or ignored mask then always shows.
 */
export function asymmetricMask(shape: number[], seed: number): MaskOption {
  const [mb = 1, mh = 1, rows = 1, columns = 1] = shape;
  const r = new Random(seed * 104729 + 17);
  const data = new Uint8Array(mb * mh * rows * columns);
  const seen = new Set<string>();
  for (let n = 0; n < mb * mh; n++) {
    const plane = data.subarray(n * rows * columns, (n + 1) * rows * columns);
    for (let attempt = 0; attempt < 500; attempt++) {
      for (let x = 0; x < plane.length; x++) plane[x] = r.next() < 0.55 ? 1 : 0;
      if (mixed(plane, rows, columns) && !seen.has(plane.join())) break;
    }
    seen.add(plane.join());
  }
  return { data, shape };
}

function mixed(plane: Uint8Array, rows: number, columns: number): boolean {
  const both = (values: number[]) => values.length < 2 || (values.includes(0) && values.includes(1));
  for (let i = 0; i < rows; i++) if (!both([...plane.subarray(i * columns, (i + 1) * columns)])) return false;
  if (rows === 1) return true;
  for (let j = 0; j < columns; j++) {
    if (!both(Array.from({ length: rows }, (_, i) => plane[i * columns + j]!))) return false;
  }
  if (rows !== columns || rows < 3) return true;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < i; j++) if (plane[i * columns + j] !== plane[j * columns + i]) return true;
  return false;
}

/** Padding of each item different, at either side and inside; at least one real and, beyond two keys, two real tokens. */
export function asymmetricPadding(B: number, Lk: number, seed: number): Uint8Array {
  const mask = asymmetricMask([B, 1, 1, Lk], seed + 5);
  return mask.data;
}
