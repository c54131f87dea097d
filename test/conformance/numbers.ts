/** @file Seeded numbers for the suite: the same on every machine, so a failure repeats. */
import { sizeOf, type Tensor, tensor } from "../../src/tensor/index.js";

/** Uniform in [0, 1): mulberry32, 32 bits of state. */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers (Box–Muller) as a float32 tensor. */
export function normal(seed: number, shape: readonly number[], scale = 1): Tensor {
  const next = generator(seed);
  const one = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()) * scale;
  return tensor(Float32Array.from({ length: sizeOf(shape) }, one), shape);
}

/** Whole numbers in [0, below). */
export function whole(seed: number, length: number, below: number): Int32Array {
  const next = generator(seed);
  return Int32Array.from({ length }, () => Math.floor(next() * below));
}

/** Bytes, 1 with probability `share`. */
export function bits(seed: number, length: number, share: number): Uint8Array {
  const next = generator(seed);
  return Uint8Array.from({ length }, () => (next() < share ? 1 : 0));
}
