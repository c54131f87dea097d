/**
 * @file Weights in fewer bits: how they lie in a panel, and how they become float32 again.
 *
 *     bf16, f16   a step of 8 columns is four words:     │ 0 4 │ 1 5 │ 2 6 │ 3 7 │     one load, and both halves of a
 *                                                          low high                   word are one to three operations away
 *     int8        two steps of 8 columns are 16 bytes:   │ 0 0'│ 1 1'│ … │ 7 7'│        0' = column 0, next step: pairs, as
 *                                                                                     the dot product of 16-bit pairs wants
 *
 * A panel of 16 columns is two such groups side by side. int8 panels have an even number of steps, the surplus one is 0.
 */
import { NR, WIDTH } from "./tile";

/** Steps of K done at once: a panel part of 512 × NR float32 is 16 KB (portable, relaxed), half of L1. */
// @ts-ignore: decorator
@inline export const DEPTH: i32 = 512;

/** Formats, as ../weights.ts numbers them. */
// @ts-ignore: decorator
@inline export const BF16: i32 = 1;
// @ts-ignore: decorator
@inline export const F16: i32 = 2;
// @ts-ignore: decorator
@inline export const INT8: i32 = 3;

/** Bytes of so many steps of a panel. */
// @ts-ignore: decorator
@inline export function sizeOfSteps(format: i32, steps: i32): usize {
  if (format == 0) return <usize>(steps * NR) << 2;
  return format == INT8 ? <usize>(((steps + 1) & ~1) * NR) : <usize>(steps * NR) << 1;
}

/** 0x8fffe000: sign, exponent and mantissa of a float16 that was shifted right by 3 from a word's upper half. */
const HALF_BITS = memory.data<i32>([<i32>0x8fffe000]);

/** Loaded before a loop: the engine would build a constant anew in every round. */
// @ts-ignore: decorator
@inline export function halfBits(): v128 {
  return v128.load32_splat(HALF_BITS);
}

const UPPER_BITS = memory.data<i32>([<i32>0xffff0000]);

// @ts-ignore: decorator
@inline export function upperBits(): v128 {
  return v128.load32_splat(UPPER_BITS);
}

/** Lanes with a float16 in their upper half → that number · 2^−112, a float32 (subnormals and signs too; ∞ and NaN are not). */
// @ts-ignore: decorator
@inline export function upperHalf(words: v128, bits: v128): v128 {
  return v128.and(i32x4.shr_s(words, 3), bits);
}

/** As `upperHalf`, times 2^112; ∞ and NaN too. */
// @ts-ignore: decorator
@inline function float16(words: v128, bits: v128): v128 {
  const v = f32x4.mul(upperHalf(words, bits), f32x4.splat(5.192296858534828e33));
  const special = i32x4.ge_s(v128.and(words, i32x4.splat(0x7fffffff)), i32x4.splat(0x7c000000));
  return v128.or(v, v128.and(special, i32x4.splat(0x7f800000)));
}

/** Steps of a panel in a short format as float32 [steps, NR]; of int8 an even number of them is written. */
export function expand(format: i32, from: usize, to: usize, steps: i32): void {
  const groups = steps * (NR / 8);
  if (format == BF16) {
    const upper = i32x4.splat(0xffff0000);
    for (let i = 0; i < groups; i++, from += 16, to += 32) {
      const words = v128.load(from);
      v128.store(to, i32x4.shl(words, 16));
      v128.store(to, v128.and(words, upper), 16);
    }
  } else if (format == F16) {
    const bits = halfBits();
    for (let i = 0; i < groups; i++, from += 16, to += 32) {
      const words = v128.load(from);
      v128.store(to, float16(i32x4.shl(words, 16), bits));
      v128.store(to, float16(words, bits), 16);
    }
  } else {
    for (; steps > 0; steps -= 2, to += 2 * WIDTH) {
      for (let x: usize = 0; x < WIDTH; x += 32, from += 16) {
        const pairs = v128.load(from);
        const even = i16x8.shr_s(i16x8.shl(pairs, 8), 8), odd = i16x8.shr_s(pairs, 8);
        v128.store(to + x, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(even)));
        v128.store(to + x, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(even)), 16);
        v128.store(to + x + WIDTH, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(odd)));
        v128.store(to + x + WIDTH, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(odd)), 16);
      }
    }
  }
}
