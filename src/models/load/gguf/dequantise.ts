/**
 * @file Quantised blocks → float32, bit for bit as ggml's reference does.
 *
 * A block keeps small whole numbers q and one scale d (and, in the "_1" and K forms, a minimum m) for all of them:
 *
 *     Q4_0, Q5_0, Q8_0    x = d·(q − middle)          Q4_1, Q5_1    x = d·q + m
 *     Q4_K, Q5_K          x = (d·s)·q − dmin·t        s, t: 6 bits for each 32 numbers of 256
 *     Q2_K                x = (d·s)·q − dmin·t        s, t: 4 bits for each 16 numbers of 256
 *     Q3_K                x = (d·s)·(q − 4)           s: 6 bits for each 16 numbers of 256
 *     IQ4_NL, IQ4_XS      x = d·table[q], x = (d·s)·table[q]
 *     Q6_K                x = (d·s)·(q − 32)          s: 8 bits for each 16 numbers of 256
 *
 * Every product and sum is rounded to float32, in this order; d, m and dmin are float16.
 * Formats: https://github.com/ggml-org/ggml (MIT), ggml-quants.c.
 */
import { bfloat16ToFloat32, float16ToFloat32 } from "../../../tensor/index.js";
import { blockOf } from "./types.js";

const f = Math.fround;

/** Writes the numbers of `bytes`, which are whole blocks of `type`, into `out`. */
export function dequantise(type: string, bytes: Uint8Array, out: Float32Array): void {
  if (type === "F16" || type === "BF16") {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    if (type === "F16") float16ToFloat32(halves, out);
    else bfloat16ToFloat32(halves, out);
    return;
  }
  const block = blockOf(type)!;
  const unpack = unpackers[type]!;
  for (let at = 0, to = 0; at < bytes.length; at += block.bytes, to += block.numbers) unpack(bytes, at, out, to);
}

/** Writes the numbers of the block at byte `at` of b into `out` from `to` on. */
type Unpack = (b: Uint8Array, at: number, out: Float32Array, to: number) => void;

const half = (() => {
  const table = float16ToFloat32(Uint16Array.from({ length: 65536 }, (_, i) => i));
  return (b: Uint8Array, at: number): number => table[b[at]! | (b[at + 1]! << 8)]!;
})();
const signed = (byte: number): number => (byte << 24) >> 24;

/** 16 bytes hold 32 numbers: the low halves are numbers 0–15, the high halves 16–31. */
const nibble = (b: Uint8Array, at: number, i: number): number => (b[at + (i & 15)]! >> ((i & 16) >> 2)) & 15;
/** The fifth bit of number i, of four bytes that hold one bit a number. */
const fifth = (b: Uint8Array, at: number, i: number): number => ((b[at + (i >> 3)]! >> (i & 7)) & 1) << 4;

const unpackers: Readonly<Record<string, Unpack>> = {
  Q4_0(b, at, out, to) {
    const d = half(b, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * (nibble(b, at + 2, i) - 8);
  },
  Q4_1(b, at, out, to) {
    const [d, m] = [half(b, at), half(b, at + 2)];
    for (let i = 0; i < 32; i++) out[to + i] = f(d * nibble(b, at + 4, i)) + m;
  },
  Q5_0(b, at, out, to) {
    const d = half(b, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * ((nibble(b, at + 6, i) | fifth(b, at + 2, i)) - 16);
  },
  Q5_1(b, at, out, to) {
    const [d, m] = [half(b, at), half(b, at + 2)];
    for (let i = 0; i < 32; i++) out[to + i] = f(d * (nibble(b, at + 8, i) | fifth(b, at + 4, i))) + m;
  },
  Q8_0(b, at, out, to) {
    const d = half(b, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * signed(b[at + 2 + i]!);
  },
  Q2_K(b, at, out, to) {
    const [d, dmin] = [half(b, at + 80), half(b, at + 82)];
    for (let i = 0; i < 256; i++) {
      const s = b[at + (i >> 4)]!;
      out[to + i] = f(f(d * (s & 15)) * pairOfK(b, at + 16, i)) - f(dmin * (s >> 4));
    }
  },
  Q3_K(b, at, out, to) {
    const d = half(b, at + 108);
    for (let i = 0; i < 256; i++) {
      const n = i >> 4;
      const low = (b[at + 96 + (n & 7)]! >> (n < 8 ? 0 : 4)) & 15;
      const high = (b[at + 104 + (n & 3)]! >> (2 * (n >> 2))) & 3;
      const third = (b[at + (i & 31)]! >> (i >> 5)) & 1; // 1: nothing is taken off
      out[to + i] = f(d * ((low | (high << 4)) - 32)) * (pairOfK(b, at + 32, i) - 4 * (1 - third));
    }
  },
  IQ4_NL(b, at, out, to) {
    const d = half(b, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * uneven[nibble(b, at + 2, i)]!;
  },
  IQ4_XS(b, at, out, to) {
    const d = half(b, at);
    const high = b[at + 2]! | (b[at + 3]! << 8);
    for (let g = 0; g < 8; g++) {
      const low = (b[at + 4 + (g >> 1)]! >> (4 * (g & 1))) & 15;
      const s = f(d * ((low | (((high >> (2 * g)) & 3) << 4)) - 32));
      for (let i = 0; i < 32; i++) out[to + 32 * g + i] = s * uneven[nibble(b, at + 8 + 16 * g, i)]!;
    }
  },
  Q4_K(b, at, out, to) {
    scaled(b, at, out, to, (i) => nibbleOfK(b, at + 16, i));
  },
  Q5_K(b, at, out, to) {
    scaled(b, at, out, to, (i) => nibbleOfK(b, at + 48, i) | (((b[at + 16 + (i & 31)]! >> (i >> 5)) & 1) << 4));
  },
  Q6_K(b, at, out, to) {
    const d = half(b, at + 208);
    for (let i = 0; i < 256; i++) {
      const s = f(d * signed(b[at + 192 + (i >> 4)]!));
      const [group, j] = [i >> 7, i & 127]; // 128 numbers from 64 bytes of low halves and 32 of high pairs
      const low = (b[at + 64 * group + (j & 63)]! >> (j < 64 ? 0 : 4)) & 15;
      const high = (b[at + 128 + 32 * group + (j & 31)]! >> (2 * (j >> 5))) & 3;
      out[to + i] = s * ((low | (high << 4)) - 32);
    }
  },
};

/** The sixteen values of the IQ4 forms, closer together near zero, where weights are. */
const uneven = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** Of the K forms: 32 bytes hold 128 numbers of two bits, the lowest pairs first. */
const pairOfK = (b: Uint8Array, at: number, i: number): number =>
  (b[at + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;

/** Of the K forms: 32 bytes hold 64 numbers, the low halves first. */
const nibbleOfK = (b: Uint8Array, at: number, i: number): number =>
  (b[at + 32 * (i >> 6) + (i & 31)]! >> (i & 32 ? 4 : 0)) & 15;

/** Q4_K and Q5_K: two float16 (d, dmin), then 12 bytes with a 6-bit scale and minimum for each of 8 groups of 32. */
function scaled(b: Uint8Array, at: number, out: Float32Array, to: number, q: (i: number) => number): void {
  const [d, dmin] = [half(b, at), half(b, at + 2)];
  for (let g = 0; g < 8; g++) {
    const byte = (i: number): number => b[at + 4 + i]!;
    const s = g < 4 ? byte(g) & 63 : (byte(g + 4) & 15) | ((byte(g - 4) >> 2) & 48);
    const t = g < 4 ? byte(g + 4) & 63 : (byte(g + 4) >> 4) | ((byte(g) >> 2) & 48);
    const [ds, dt] = [f(d * s), f(dmin * t)];
    for (let i = 32 * g; i < 32 * g + 32; i++) out[to + i] = f(ds * q(i)) - dt;
  }
}
