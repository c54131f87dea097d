/** @file How far two arrays are apart, and how far they may be. */

/**
 * Bounds on |found − expected| relative to max(1, |expected|), by the precision a candidate works in. Scores of the
 * probes stay below 16 and weights below 1, so a rounding of one part in 2^m moves a weight by less than 2^(4 − m), and
 * an output by that times |v| ≤ 4: float32 (m = 24) 2^-18 ≈ 4e-6, float16 (m = 11) 0.03 at the very worst and 0.01 in
 * practice, bfloat16 (m = 8) four times that. A named mistake moves the probes' weights by 0.05 and more.
 */
export const precisions = [
  { name: "float32", tolerance: 2e-5 },
  { name: "float16", tolerance: 1.5e-2 },
  { name: "bfloat16", tolerance: 6e-2 },
] as const;

/** Largest |a − b| / max(1, |b|); `open(n)` leaves places out. NaN on one side only is ∞. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>, open?: (n: number) => boolean): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let n = 0; n < a.length; n++) {
    if (open?.(n)) continue;
    const x = a[n]!;
    const y = b[n]!;
    if (Object.is(x, y) || x === y) continue;
    const d = Math.abs(x - y) / Math.max(1, Math.abs(y));
    if (!(d <= worst)) worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return worst;
}

/** Where two arrays are furthest apart, and by how much. */
export function furthest(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  open?: (n: number) => boolean,
): { at: number; by: number } {
  let at = 0;
  let by = -1;
  for (let n = 0; n < a.length; n++) {
    if (open?.(n)) continue;
    const d = Object.is(a[n], b[n]) ? 0 : Math.abs(a[n]! - b[n]!);
    const size = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    if (size > by) {
      by = size;
      at = n;
    }
  }
  return { at, by: Math.max(by, 0) };
}

export const finite = (a: ArrayLike<number>): boolean => {
  for (let n = 0; n < a.length; n++) if (!Number.isFinite(a[n]!)) return false;
  return true;
};

/** Is every number one that bfloat16 can hold? Float32 without its last two bytes. */
export function holdsInBrain(a: ArrayLike<number>): boolean {
  const bits = new Uint32Array(Float32Array.from(a).buffer);
  return bits.every((x) => (x & 0xffff) === 0) && Array.from(a).every((x) => Object.is(Math.fround(x), x));
}

/** Is every number one that float16 can hold? Ten binary digits after the first, exponent ≥ −14. */
export function holdsInHalf(a: ArrayLike<number>): boolean {
  for (let n = 0; n < a.length; n++) {
    const x = Math.abs(a[n]!);
    if (x === 0 || !Number.isFinite(x)) continue;
    const unit = 2 ** (Math.max(Math.floor(Math.log2(x)), -14) - 10);
    if (Math.abs(x / unit - Math.round(x / unit)) > 1e-9 || x > 65504) return false;
  }
  return true;
}
