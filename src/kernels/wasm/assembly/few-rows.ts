/**
 * @file Few rows (a decoding step): matrix × vector, one pass over the packed weight at the speed of memory. The register
 * tile would multiply MR copies of the row, and expand short weights into memory first.
 *
 *     f32, bf16   sums have the same order as in the tile: the same bits (bf16 is one shift or mask away from float32)
 *     f16         a shifted float16 is the number · 2^−112; the row comes multiplied by 2^80 and sums leave by 2^32, so the
 *                 exponent costs nothing in the loop. Powers of two: the same bits again, for |x| < 2^47 and finite weights
 *     int8        the row comes rounded to 16 bits, a scale for every 512 numbers; products and sums are exact integers
 *                 (512 · 127 · 32767 < 2^31). |error| of a sum ≤ Σ|w| · max|x| / 65534: 500 times less than int8's own
 *
 * `prepareFew` makes such rows, or says that they cannot be had (NaN, ∞, huge numbers): then weights are expanded.
 */
import { ProductArgs } from "./calls.generated";
import { finish } from "./finish";
import { BF16, DEPTH, expand, F16, halfBits, INT8, sizeOfSteps, upperBits, upperHalf } from "./short";
import { madd } from "./simd";
import { NR, WIDTH } from "./tile";

/** Rows up to which matrix × vector, row by row, beats the register tile. */
// @ts-ignore: decorator
@inline export const FEW: i32 = 2;

/** Columns of sums that are in registers at once. */
const GROUP_COLUMNS: i32 = 32;

/** Largest |x|, NaN if there is one. */
function largest(x: usize, n: i32): f32 {
  let most = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) most = f32x4.max(most, f32x4.abs(v128.load(x + (<usize>i << 2))));
  let top = max(max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)), max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)));
  for (; i < n; i++) top = max(top, abs(load<f32>(x + (<usize>i << 2))));
  return top;
}

/** Bytes of a prepared row. */
export function fewRow(depth: i32): usize {
  return (<usize>((depth + 7) & ~7) << 2) + 64;
}

/** Where the scales of a prepared int8 row begin. */
// @ts-ignore: decorator
@inline function scalesOf(row: usize, depth: i32): usize {
  return row + (<usize>((depth + 7) & ~7) << 1);
}

/** Writes the rows at `g.few` as the format wants them; 0 when it cannot. */
export function prepareFew(args: usize): i32 {
  const g = changetype<ProductArgs>(args);
  for (let m = 0; m < g.rows; m++) {
    const x = g.a + <usize>m * g.aRow, to = g.few + <usize>m * fewRow(g.depth);
    if (!(g.format == F16 ? scaled(x, g.depth, to) : rounded(x, g.depth, to))) return 0;
  }
  return 1;
}

/** x · 2^80 */
function scaled(x: usize, n: i32, to: usize): bool {
  if (!(largest(x, n) < <f32>140737488355328.0)) return false; // 2^47; NaN too
  const factor: f32 = 1208925819614629174706176.0;
  for (let i = 0; i < n; i++) store<f32>(to + (<usize>i << 2), load<f32>(x + (<usize>i << 2)) * factor);
  return true;
}

/** 16-bit whole numbers, then a scale for every DEPTH of them. */
function rounded(x: usize, n: i32, to: usize): bool {
  let scales = scalesOf(to, n);
  for (let k = 0; k < n; k += DEPTH, scales += 4) {
    const steps = min(DEPTH, n - k);
    const at = x + (<usize>k << 2), out = to + (<usize>k << 1);
    const top = largest(at, steps);
    if (!(top < Infinity) || (top > 0 && top < <f32>1e-30)) return false;
    store<f32>(scales, top / <f32>32767);
    const factor = top > 0 ? <f32>32767 / top : 0;
    for (let i = 0; i < steps; i++) {
      store<i16>(out + (<usize>i << 1), <i16>nearest<f32>(load<f32>(at + (<usize>i << 2)) * factor));
    }
    if (steps & 1) store<i16>(out + (<usize>steps << 1), 0);
  }
  return true;
}

/** One row against neighbouring groups of 8 columns: sums of 32 columns stay in registers. */
export function timesFloats(a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize, add: bool): void {
  const zero = f32x4.splat(0);
  let c0 = add ? v128.load(c) : zero, c1 = add ? v128.load(c, 16) : zero, c2 = add ? v128.load(c, 32) : zero, c3 = add ? v128.load(c, 48) : zero;
  let c4 = add ? v128.load(c, 64) : zero, c5 = add ? v128.load(c, 80) : zero, c6 = add ? v128.load(c, 96) : zero, c7 = add ? v128.load(c, 112) : zero;
  for (; n > 0; n--, a += 4, p0 += WIDTH, p1 += WIDTH, p2 += WIDTH, p3 += WIDTH) {
    const x = v128.load32_splat(a);
    c0 = madd(x, v128.load(p0), c0);
    c1 = madd(x, v128.load(p0, 16), c1);
    c2 = madd(x, v128.load(p1), c2);
    c3 = madd(x, v128.load(p1, 16), c3);
    c4 = madd(x, v128.load(p2), c4);
    c5 = madd(x, v128.load(p2, 16), c5);
    c6 = madd(x, v128.load(p3), c6);
    c7 = madd(x, v128.load(p3, 16), c7);
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
  v128.store(c, c4, 64);
  v128.store(c, c5, 80);
  v128.store(c, c6, 96);
  v128.store(c, c7, 112);
}

/** As `timesFloats`, of bf16 or f16 (times 2^−112). */
// @ts-ignore: decorator
@inline function timesHalves(format: i32, a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize): void {
  const bits = format == F16 ? halfBits() : upperBits();
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
  for (; n > 0; n--, a += 4, p0 += WIDTH / 2, p1 += WIDTH / 2, p2 += WIDTH / 2, p3 += WIDTH / 2) {
    const x = v128.load32_splat(a);
    const v0 = v128.load(p0);
    c0 = madd(x, lowHalf(format, v0, bits), c0);
    c1 = madd(x, highHalf(format, v0, bits), c1);
    const v1 = v128.load(p1);
    c2 = madd(x, lowHalf(format, v1, bits), c2);
    c3 = madd(x, highHalf(format, v1, bits), c3);
    const v2 = v128.load(p2);
    c4 = madd(x, lowHalf(format, v2, bits), c4);
    c5 = madd(x, highHalf(format, v2, bits), c5);
    const v3 = v128.load(p3);
    c6 = madd(x, lowHalf(format, v3, bits), c6);
    c7 = madd(x, highHalf(format, v3, bits), c7);
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
  v128.store(c, c4, 64);
  v128.store(c, c5, 80);
  v128.store(c, c6, 96);
  v128.store(c, c7, 112);
}

// @ts-ignore: decorator
@inline function lowHalf(format: i32, words: v128, bits: v128): v128 {
  const upper = i32x4.shl(words, 16);
  return format == F16 ? upperHalf(upper, bits) : upper;
}

// @ts-ignore: decorator
@inline function highHalf(format: i32, words: v128, bits: v128): v128 {
  return format == F16 ? upperHalf(words, bits) : v128.and(words, bits);
}

export function timesBf16(a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize): void {
  timesHalves(BF16, a, p0, p1, p2, p3, n, c);
}

export function timesF16(a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize): void {
  timesHalves(F16, a, p0, p1, p2, p3, n, c);
}

/** As `timesFloats`, of int8 with a row of 16-bit pairs: sums of 16 columns, exact before they are scaled. */
function timesInt8(a: usize, p0: usize, p1: usize, pairs: i32, scale: f32, c: usize, add: bool): void {
  let c0 = i32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  for (; pairs > 0; pairs--, a += 4, p0 += WIDTH / 2, p1 += WIDTH / 2) {
    const x = v128.load32_splat(a);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(p0)));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(p0, 8)));
    c2 = i32x4.add(c2, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(p1)));
    c3 = i32x4.add(c3, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(p1, 8)));
  }
  const s = f32x4.splat(scale), zero = f32x4.splat(0);
  v128.store(c, madd(f32x4.convert_i32x4_s(c0), s, add ? v128.load(c) : zero));
  v128.store(c, madd(f32x4.convert_i32x4_s(c1), s, add ? v128.load(c, 16) : zero), 16);
  v128.store(c, madd(f32x4.convert_i32x4_s(c2), s, add ? v128.load(c, 32) : zero), 32);
  v128.store(c, madd(f32x4.convert_i32x4_s(c3), s, add ? v128.load(c, 48) : zero), 48);
}

/** Where group n of 8 columns begins. `step`: bytes from a panel to the next, `last` the last panel there is; `half`: bytes of 8 columns. */
// @ts-ignore: decorator
@inline function group(n: usize, first: usize, step: usize, last: usize, half: usize): usize {
  return WIDE ? first + min<usize>(n >> 1, last) * step + (n & 1) * half : first + min<usize>(n, last) * step;
}

/** Sums of 32 columns, all of K, from a short format as it lies. */
function shortGroups(g: ProductArgs, m: i32, first: usize, step: usize, last: usize, strip: usize): void {
  const row = g.few ? g.few + <usize>m * fewRow(g.depth) : g.a + <usize>m * g.aRow;
  if (g.format == INT8) {
    for (let n: usize = 0; n < 4; n += 2) {
      const one = group(n, first, step, last, 16), two = group(n + 1, first, step, last, 16);
      let scale = scalesOf(row, g.depth);
      for (let k = 0; k < g.depth; k += DEPTH, scale += 4) {
        const pairs = (min(DEPTH, g.depth - k) + 1) >> 1, at = sizeOfSteps(INT8, k);
        timesInt8(row + (<usize>k << 1), one + at, two + at, pairs, load<f32>(scale), strip + (n << 5), k != 0);
      }
    }
    return;
  }
  const p1 = group(1, first, step, last, 16), p2 = group(2, first, step, last, 16), p3 = group(3, first, step, last, 16);
  if (g.format == F16) {
    timesF16(row, first, p1, p2, p3, g.depth, strip);
    const up = f32x4.splat(4294967296.0);
    for (let x: usize = 0; x < <usize>(GROUP_COLUMNS << 2); x += 16) v128.store(strip + x, f32x4.mul(v128.load(strip + x), up));
  } else {
    timesBf16(row, first, p1, p2, p3, g.depth, strip);
  }
}

export function fewRows(g: ProductArgs, a: usize, b: usize, c: usize, residual: usize, p0: i32, p1: i32, strip: usize): void {
  const asItLies = g.format == BF16 || (g.format != 0 && g.few != 0);
  const perGroup = GROUP_COLUMNS / NR;
  const whole = sizeOfSteps(g.format, g.depth); // bytes of a panel
  const expanded = strip + <usize>(GROUP_COLUMNS << 2); // [perGroup][DEPTH, NR], for short formats
  for (let p = p0; p < p1; p += perGroup) {
    const last = <usize>min(perGroup, p1 - p) - 1; // panels past the end: the last one again, its columns are not stored
    for (let m = 0; m < g.rows; m++) {
      const panel = b + <usize>p * whole;
      if (g.depth == 0) memory.fill(strip, 0, <usize>(GROUP_COLUMNS << 2));
      else if (asItLies) shortGroups(g, m, panel, whole, last, strip);
      else {
        for (let k = 0; k < g.depth; k += DEPTH) {
          const steps = min(DEPTH, g.depth - k);
          let first = panel + sizeOfSteps(g.format, k);
          let step = whole;
          if (g.format != 0) {
            for (let x: usize = 0; x <= last; x++) expand(g.format, first + x * whole, expanded + x * (<usize>DEPTH * WIDTH), steps);
            first = expanded;
            step = <usize>DEPTH * WIDTH;
          }
          const at = a + <usize>m * g.aRow + (<usize>k << 2);
          timesFloats(at, first, group(1, first, step, last, 32), group(2, first, step, last, 32), group(3, first, step, last, 32), steps, strip, k != 0);
        }
      }
      for (let x = 0; x <= <i32>last; x++) {
        const n0 = (p + x) * NR;
        const at = <usize>m * g.cRow + (<usize>n0 << 2);
        finish(g, strip + <usize>x * WIDTH, 1, c + at, residual + at, n0, min(NR, g.columns - n0));
      }
    }
  }
}
