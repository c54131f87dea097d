/**
 * @file Numbers that look random and can be drawn again: splitmix32 (Steele et al. 2014, "Fast splittable pseudorandom
 * number generators", in its 32-bit form) for uniform bits, Box & Muller 1958 for normal ones.
 */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Normal with mean 0 and variance 1. */
  normal(): number;
  /** A whole number from 0 to n − 1. */
  below(n: number): number;
}

/** A source for a seed; equal seeds give equal numbers on every machine. */
export function random(seed: number): Random {
  let state = seed | 0;
  let spare: number | undefined;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  const normal = (): number => {
    if (spare !== undefined) {
      const x = spare;
      spare = undefined;
      return x;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return { uniform, normal, below: (n) => Math.floor(uniform() * n) };
}

/** `size` normal numbers with standard deviation `deviation`. */
export function normals(seed: number, size: number, deviation = 1): Float32Array {
  const r = random(seed);
  return Float32Array.from({ length: size }, () => deviation * r.normal());
}
