/** @file For tests: random operands, the mask a mechanism should be, exact attention under it. */
import { ops } from "../../kernels/current.js";
import type { Tensor } from "../../tensor/index.js";
import { tensor } from "../../tensor/index.js";
import { attend, intervals } from "./parts.js";
import { normals } from "../../tensor/random.js";

/** Normal numbers of a shape. */
export function normal(seed: number, ...shape: number[]): Tensor {
  return tensor(normals(seed, shape.reduce((n, d) => n * d, 1)), shape); // biome-ignore format: one line
}

/** Exact attention where `sees(i, j, h, b)`, by a mask over all pairs: what every pattern must equal. */
export function masked(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  sees: (i: number, j: number, h: number, b: number) => boolean,
  scale = 1 / Math.sqrt(q.shape[3]!),
): Tensor {
  const [B, H, Lq] = q.shape as [number, number, number];
  const Lk = k.shape[2]!;
  const data = new Uint8Array(B * H * Lq * Lk);
  for (let n = 0; n < data.length; n++) {
    const [j, i, h, b] = [
      n % Lk,
      Math.floor(n / Lk) % Lq,
      Math.floor(n / (Lk * Lq)) % H,
      Math.floor(n / (Lk * Lq * H)),
    ];
    if (sees(i, j, h, b)) data[n] = 1;
  }
  const rule = intervals(Lq, Lk, () => [0, Lk]);
  rule.mask = { data, strides: [H * Lq * Lk, Lq * Lk, Lk, 1] };
  return attend(q, k, v, scale, rule).output;
}

/** The identity as values, one head for all: outputs are maps. */
export function identity(batch: number, heads: number, length: number): Tensor {
  const data = new Float32Array(batch * heads * length * length);
  for (let n = 0; n < batch * heads * length; n++) data[n * length + (n % length)] = 1;
  return tensor(data, [batch, heads, length, length]);
}

/** Largest absolute difference; NaN where one is NaN. */
export function distance(a: Tensor, b: Tensor): number {
  let worst = 0;
  for (let n = 0; n < a.size; n++) {
    const d = Math.abs(a.data[n]! - b.data[n]!);
    if (Number.isNaN(d)) return Number.NaN;
    worst = Math.max(worst, d);
  }
  return worst;
}

/** x with some rows of every head overwritten: x [B, H, L, D], `which(b, row)`. */
export function poisoned(x: Tensor, value: number, which: (b: number, row: number) => boolean): Tensor {
  const [, H, L, D] = x.shape as [number, number, number, number];
  const data = x.data.slice();
  for (let r = 0; r < x.size / D; r++) {
    if (which(Math.floor(r / (H * L)), r % L)) data.fill(value, r * D, (r + 1) * D);
  }
  return tensor(data, x.shape);
}

/** Σ over the last axis. */
export function rowSums(x: Tensor): Tensor {
  return ops().reduce("sum", x, [x.shape.length - 1]);
}
