/** @file Half-precision numbers as bits: float16 (IEEE 754-2008, 1 + 5 + 10 bits) and bfloat16 (1 + 8 + 7 bits). */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The number that 16 bits stand for. */
export function float16Value(h: number): number {
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  const sign = h & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24; // subnormal
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let float16Table: Float32Array | undefined;
/** float16 → float32, exact. 65,536 values fit a table, which is ten times faster than arithmetic. */
export function float16ToFloat32(half: ArrayLike<number>): Float32Array {
  float16Table ??= Float32Array.from({ length: 65536 }, (_, h) => float16Value(h));
  const out = new Float32Array(half.length);
  for (let i = 0; i < out.length; i++) out[i] = float16Table[half[i]!]!;
  return out;
}

/** bfloat16 → float32, exact: the upper half of the same bits. */
export function bfloat16ToFloat32(half: ArrayLike<number>): Float32Array {
  const out = new Uint32Array(half.length);
  for (let i = 0; i < out.length; i++) out[i] = half[i]! << 16;
  return new Float32Array(out.buffer);
}

/** The nearest float16, ties to even, as bits; overflow gives infinity. */
export function float16Bits(x: number): number {
  float[0] = x;
  const b = bits[0]!;
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // ≥ 65536
  if (magnitude < 0x38800000) {
    // Below 2⁻¹⁴: a multiple of 2⁻²⁴. Adding ½ in float32 leaves exactly those bits, rounded to nearest even.
    float[0] = Math.abs(x) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** float32 → float16 bits. */
export function float32ToFloat16(x: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = float16Bits(x[i]!);
  return out;
}

/** float32 → bfloat16 bits, nearest, ties to even; NaN stays NaN. */
export function float32ToBfloat16(x: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(x.length);
  for (let i = 0; i < out.length; i++) {
    float[0] = x[i]!;
    const b = bits[0]!;
    out[i] = (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}
