/**
 * @file Random features of the softmax kernel. Choromanski et al. 2021 (arXiv:2009.14794) Lemma 1–2, §2.3–2.4.
 *     e^(x·y) = E φ(x)·φ(y)        h(x) = ‖x‖²/2, rows ω of normal numbers, m of them
 *     positive        φ(x) = m^−½ e^(ωx − h)                       never negative, small error where e^(x·y) is small
 *     trigonometric   φ(x) = m^−½ e^h (sin ωx, cos ωx)             Rahimi & Recht 2007: small error only near x = −y … x = y
 *     hyperbolic      φ(x) = (2m)^−½ e^−h (e^ωx, e^−ωx)            half the positive kind's error for twice its features
 */
import { ops } from "../../kernels/current.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import { random } from "../../tensor/random.js";
import { replaceRows } from "./rows.js";
import { ints } from "./fill.js";

export type FeatureMap = "positive" | "trigonometric" | "hyperbolic";

/** Over what the largest exponent is taken, which is subtracted so that nothing overflows: it cancels in the quotient. */
export type Shared = "row" | "head" | "none";

export interface FeatureOptions {
  map: FeatureMap;
  shared: Shared;
  /** Added to each feature (positive and hyperbolic), so that no denominator vanishes. */
  epsilon: number;
  /** [B, L], 0 = absent: left out of the largest exponent. */
  keyMask?: Uint8Array | undefined;
}

/** Features of the rows of x [B, H, L, D], already scaled so that x·y is the score, for projection ω [m, D] → [B, H, L, m or 2m]. */
export function softmaxFeatures(x: Tensor, projection: Tensor, options: FeatureOptions): Tensor {
  const o = ops();
  const m = projection.shape[0]!;
  const half = o.affine(o.reduce("sum", o.unary("square", x), [3]), 0.5); // h, [B, H, L, 1]
  const turned = o.linear(x, projection); // ωx, [B, H, L, m]
  if (options.map === "trigonometric") {
    const waves = o.concat([o.unary("sin", turned), o.unary("cos", turned)], 3);
    const level = shifted(half, half, options); // e^h, over its largest
    return o.affine(o.binary("multiply", waves, o.unary("exp", level)), 1 / Math.sqrt(m));
  }
  const both = options.map === "hyperbolic" ? o.concat([turned, o.unary("negate", turned)], 3) : turned;
  const exponent = o.binary("subtract", shifted(both, both, options), half);
  return o.affine(o.unary("exp", exponent), 1 / Math.sqrt(both.shape[3]!), options.epsilon / Math.sqrt(both.shape[3]!));
}

/** x minus the largest of `of` that it shares. */
function shifted(x: Tensor, of: Tensor, { shared, keyMask }: FeatureOptions): Tensor {
  if (shared === "none") return x;
  const o = ops();
  const present = shared === "head" && keyMask ? absentAs(of, keyMask, -1e30) : of;
  return o.binary("subtract", x, o.reduce("max", present, shared === "row" ? [3] : [2, 3]));
}

/** x [B, H, L, N] with the rows of absent keys filled with one number. */
export function absentAs(x: Tensor, keyMask: Uint8Array, value: number): Tensor {
  const [, H, L, N] = x.shape as [number, number, number, number];
  const fill = tensor(new Float32Array(N).fill(value), [1, N]);
  const rows = x.size / N;
  const from = ints(rows, (r) => (keyMask[Math.floor(r / (H * L)) * L + (r % L)] ? -1 : 0));
  return replaceRows(x, fill, from);
}

export interface ProjectionOptions {
  features: number;
  headDim: number;
  seed?: number;
  /** Rows at right angles within each block of headDim (§2.4, Theorem 2); default true. */
  orthogonal?: boolean;
  /** Lengths of orthogonal rows: those of normal vectors (default, unbiased), or all √D (performer-pytorch's `ortho_scaling` 1). */
  rowLengths?: "normal" | "sqrt";
}

/** Rows ω [m, D] of normal numbers, independent or orthogonal in blocks of D. */
export function drawProjection({
  features: m,
  headDim: D,
  seed = 0,
  orthogonal = true,
  rowLengths = "normal",
}: ProjectionOptions): Tensor {
  const r = random(seed);
  const rows = Array.from({ length: m }, () => Float64Array.from({ length: D }, () => r.normal()));
  if (orthogonal) {
    for (let from = 0; from < m; from += D) orthonormalise(rows.slice(from, from + D));
    for (const row of rows) {
      const length = rowLengths === "sqrt" ? Math.sqrt(D) : Math.hypot(...Array.from({ length: D }, () => r.normal()));
      for (let d = 0; d < D; d++) row[d]! *= length;
    }
  }
  const out = new Float32Array(m * D);
  rows.forEach((row, n) => void out.set(row, n * D));
  return tensor(out, [m, D]);
}

/** Modified Gram–Schmidt, twice, in place: of normal rows it gives a uniformly turned frame. */
function orthonormalise(rows: Float64Array[]): void {
  for (let pass = 0; pass < 2; pass++) {
    for (const [n, row] of rows.entries()) {
      for (const other of rows.slice(0, n)) {
        let along = 0;
        for (let d = 0; d < row.length; d++) along += row[d]! * other[d]!;
        for (let d = 0; d < row.length; d++) row[d]! -= along * other[d]!;
      }
      const length = Math.hypot(...row);
      for (let d = 0; d < row.length; d++) row[d]! /= length;
    }
  }
}
