/**
 * @file Positions that lie d apart, as sequences of their own: [B, H, L, D] ⇄ [B·d, H, ⌈L/d⌉, D]. In residue class c
 * position i·d + c has index i, so a dilated window or a stride is an ordinary interval there.
 */
import { ops } from "../../kernels/current.js";
import type { AttentionResult } from "../../kernels/kernel.js";
import type { Tensor } from "../../tensor/index.js";
import { attend, type Interval, intervals, without } from "./parts.js";
import { padMask, padRows, roundUp } from "./rows.js";
import { bytes } from "./fill.js";

/** Splits by residue: item b, class c → item b·d + c. Padded with zeros to a multiple of d. */
export function split(x: Tensor, d: number): Tensor {
  const o = ops();
  const [B, H, L, D] = x.shape as [number, number, number, number];
  const n = Math.ceil(L / d);
  const parted = o.reshape(padRows(x, n * d), [B, H, n, d, D]);
  return o.reshape(o.permute(parted, [0, 3, 1, 2, 4]), [B * d, H, n, D]);
}

/** The way back: [B·d, H, n, D] → [B, H, L, D]. */
export function join(x: Tensor, d: number, length: number): Tensor {
  const o = ops();
  const [Bd, H, n, D] = x.shape as [number, number, number, number];
  const whole = o.permute(o.reshape(x, [Bd / d, d, H, n, D]), [0, 2, 3, 1, 4]);
  const out = o.reshape(whole, [Bd / d, H, n * d, D]);
  return n * d === length ? out : o.slice(out, 2, 0, length);
}

/**
 * Attention within residue classes modulo d; `interval` speaks of indices in a class.
 * @param keyMask [B, L], 0 = absent
 */
export function attendResidues(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  d: number,
  interval: Interval,
  keyMask?: Uint8Array,
): AttentionResult {
  // biome-ignore format: seven short arguments
  const [B, H, L] = q.shape as [number, number, number];
  const padded = roundUp(L, d);
  const n = padded / d;
  const present = d === 1 ? keyMask : splitMask(padMask(keyMask, B, L, padded), B, padded, d);
  const rule = without(intervals(n, n, interval), present, n);
  if (d === 1) return attend(q, k, v, scale, rule);
  const { output, lse } = attend(split(q, d), split(k, d), split(v, d), scale, rule);
  const rows = join(ops().reshape(lse, [...lse.shape, 1]), d, L);
  return { output: join(output, d, L), lse: ops().reshape(rows, [B, H, L]) };
}

function splitMask(mask: Uint8Array | undefined, B: number, padded: number, d: number): Uint8Array | undefined {
  if (!mask) return undefined;
  const n = padded / d;
  return bytes(B * padded, (at) => {
    const [item, i] = [Math.floor(at / n), at % n];
    return mask[Math.floor(item / d) * padded + i * d + (item % d)]!;
  });
}
