/**
 * @file Which attention weights drop: a function of (seed, b, h, i, j) alone, never of the order of the work.
 *
 * So a tiled kernel, a threaded one, the backward pass and the reference all drop the same weights without storing a
 * mask. Only 32-bit integer operations (xor, shift, wrapping multiply), the same in every engine and in WebAssembly.
 */

/** Full avalanche of 32 bits: the finaliser of MurmurHash3 (A. Appleby, public domain). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** The part of the hash that a query row shares; a kernel computes it once a row. */
export function dropoutRow(seed: number, b: number, h: number, i: number): number {
  return mix(mix(mix(mix(seed | 0) ^ b) ^ h) ^ i);
}

/** hash ≥ threshold keeps, as unsigned 32-bit numbers: a share `rate` of all hashes lies below. */
export function dropoutThreshold(rate: number): number {
  return Math.min(0xffffffff, Math.round(rate * 2 ** 32)) >>> 0;
}

/** Whether the weight at key j of a row stays; steps of 2³²/φ spread neighbouring keys over the whole range. */
export function dropoutKeepsKey(row: number, j: number, threshold: number): boolean {
  return mix((row + Math.imul(j, 0x9e3779b9)) | 0) >>> 0 >= threshold;
}

/** Whether weight (b, h, i, j) stays; a kept one is scaled by 1/(1 − rate), so that the mean stays what it was. */
export function dropoutKeeps(seed: number, b: number, h: number, i: number, j: number, rate: number): boolean {
  return dropoutKeepsKey(dropoutRow(seed, b, h, i), j, dropoutThreshold(rate));
}
