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
import { BF16, DEPTH, expand, F16, halfBits, INT8, sizeOfSteps, upperHalf } from "./short";
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
function timesFloats(a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize, add: bool): void {
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

/** As `timesFloats`, of bf16 or f16 (times 2^−112): sums of 16 columns. */
// @ts-ignore: decorator
@inline function timesHalves(format: i32, a: usize, p0: usize, p1: usize, n: i32, c: usize, add: bool): void {
  const zero = f32x4.splat(0), bits = format == F16 ? halfBits() : i32x4.splat(0xffff0000);
  let c0 = add ? v128.load(c) : zero, c1 = add ? v128.load(c, 16) : zero, c2 = add ? v128.load(c, 32) : zero, c3 = add ? v128.load(c, 48) : zero;
  for (; n > 0; n--, a += 4, p0 += WIDTH / 2, p1 += WIDTH / 2) {
    const x = v128.load32_splat(a);
    const v = v128.load(p0), w = v128.load(p1);
    if (format == F16) {
      c0 = madd(x, upperHalf(i32x4.shl(v, 16), bits), c0);
      c1 = madd(x, upperHalf(v, bits), c1);
      c2 = madd(x, upperHalf(i32x4.shl(w, 16), bits), c2);
      c3 = madd(x, upperHalf(w, bits), c3);
    } else {
      c0 = madd(x, i32x4.shl(v, 16), c0);
      c1 = madd(x, v128.and(v, bits), c1);
      c2 = madd(x, i32x4.shl(w, 16), c2);
      c3 = madd(x, v128.and(w, bits), c3);
    }
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}

function timesBf16(a: usize, p0: usize, p1: usize, n: i32, c: usize, add: bool): void {
  timesHalves(BF16, a, p0, p1, n, c, add);
}

function timesF16(a: usize, p0: usize, p1: usize, n: i32, c: usize, add: bool): void {
  timesHalves(F16, a, p0, p1, n, c, add);
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

/** Sums of two groups of 8 columns, all of K, from a short format as it lies. `step`: bytes from one group to the next. */
function shortGroups(g: ProductArgs, m: i32, first: usize, step: usize, strip: usize): void {
  const row = g.few ? g.few + <usize>m * fewRow(g.depth) : g.a + <usize>m * g.aRow;
  if (g.format == INT8) {
    let scale = scalesOf(row, g.depth);
    for (let k = 0; k < g.depth; k += DEPTH, scale += 4) {
      const steps = min(DEPTH, g.depth - k), p = first + sizeOfSteps(INT8, k);
      timesInt8(row + (<usize>k << 1), p, p + step, (steps + 1) >> 1, load<f32>(scale), strip, k != 0);
    }
  } else if (g.format == F16) {
    timesF16(row, first, first + step, g.depth, strip, false);
    const up = f32x4.splat(4294967296.0);
    for (let x: usize = 0; x < 64; x += 16) v128.store(strip + x, f32x4.mul(v128.load(strip + x), up));
  } else {
    timesBf16(row, first, first + step, g.depth, strip, false);
  }
}

export function fewRows(g: ProductArgs, a: usize, b: usize, c: usize, residual: usize, p0: i32, p1: i32, strip: usize): void {
  const asItLies = g.format == BF16 || (g.format != 0 && g.few != 0);
  const columns = asItLies ? 16 : GROUP_COLUMNS;
  const perGroup = columns / NR;
  const whole = sizeOfSteps(g.format, g.depth); // bytes of a panel
  const expanded = strip + <usize>(GROUP_COLUMNS << 2); // [perGroup][DEPTH, NR], for short formats
  for (let p = p0; p < p1; p += perGroup) {
    const last = <usize>min(perGroup, p1 - p) - 1; // panels past the end: the last one again, its columns are not stored
    for (let m = 0; m < g.rows; m++) {
      const panel = b + <usize>p * whole;
      if (g.depth == 0) memory.fill(strip, 0, <usize>(GROUP_COLUMNS << 2));
      else if (asItLies) shortGroups(g, m, panel, WIDE ? 16 : last * whole, strip);
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
          const second = first + min<usize>(1, last) * step;
          if (WIDE) timesFloats(at, first, first + 32, second, second + 32, steps, strip, k != 0);
          else timesFloats(at, first, second, first + min<usize>(2, last) * step, first + min<usize>(3, last) * step, steps, strip, k != 0);
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
