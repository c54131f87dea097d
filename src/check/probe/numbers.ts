/** @file Seeded numbers for probes. */

/** A small generator: the same seed, the same numbers, on every machine. Mulberry32 (public domain, T. Ettinger). */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number in [from, to). */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }

  /** Roughly normal with variance 1: twelve uniform numbers added up. */
  normal(): number {
    let x = -6;
    for (let n = 0; n < 12; n++) x += this.next();
    return x;
  }

  /**
   * Normal numbers on a grid of 1/16 within ±3.9. They are exact in float16 and bfloat16, so a candidate that works in
   * half precision loses nothing on the way in and its error is its own.
   */
  grid(size: number, spread = 1): Float32Array {
    return Float32Array.from({ length: size }, () => {
      const x = Math.round(this.normal() * spread * 16) / 16;
      return Math.max(-3.875, Math.min(3.875, x));
    });
  }
}
