/**
 * @file Matrix products: C [M, N] = activation(scale · A·B + bias) + residual, B packed once in panels.
 *
 *      B [K, N] packed:  ┌──NR──┬──NR──┬──…     panel p holds columns [p·NR, p·NR + NR) as [K, NR], contiguous, so a
 *                        │ K    │ K    │        step of the tile loads NR neighbours; the last panel is filled up with 0.
 *                        └──────┴──────┴──      Bytes: K·NR·4 a panel, 24 KB for K = 768: it stays in L1 while
 *      A [M, K] rows ─→  all row tiles of a row block pass by (A's block in L2).
 *
 * A task is a row block × a few panels. Every sum runs over K in order, whatever the cut, so the bits are the same for any
 * number of threads. A is read where it lies, by rows or, when it is stored [K, M], by columns. Tiles are finished in
 * scratch (MR × NR numbers): ragged edges, bias, activation and residual happen on the way from there to C.
 */
import { ProductArgs } from "./calls.generated";
import { activate } from "./elementwise";
import { madd, storePart } from "./simd";
import { columnsAdd, columnsZero, MR, NR, rowsAdd, rowsZero, WIDTH } from "./tile";

/** Steps of K done at once: a panel part of 512 × NR numbers is 16 KB (portable, relaxed), half of L1. */
const DEPTH: i32 = 512;

/** B with strides in bytes: element (k, n) at `from` + k·stepK + n·stepN. Panels [first, last) → `to`. */
export function packPanels(from: usize, stepK: usize, stepN: usize, K: i32, N: i32, first: i32, last: i32, to: usize): void {
  for (let p = first; p < last; p++) {
    let out = to + <usize>p * (<usize>(K * NR) << 2);
    const n0 = p * NR, width = min(NR, N - n0);
    const column = from + <usize>n0 * stepN;
    if (width == NR && stepN == 4) {
      let row = column;
      for (let k = 0; k < K; k++, row += stepK, out += WIDTH) {
        for (let x: usize = 0; x < WIDTH; x += 16) v128.store(out + x, v128.load(row + x));
      }
    } else if (width == NR && stepK == 4) {
      packTransposed(column, stepN, K, out);
    } else {
      for (let k = 0; k < K; k++) {
        for (let x = 0; x < NR; x++, out += 4) {
          store<f32>(out, x < width ? load<f32>(column + <usize>k * stepK + <usize>x * stepN) : 0);
        }
      }
    }
  }
}

/** A panel from NR rows of K neighbours: 4 × 4 blocks turned in registers. */
function packTransposed(from: usize, row: usize, K: i32, to: usize): void {
  const step = WIDTH;
  for (let x = 0; x < NR; x += 4) {
    const r0 = from + <usize>x * row, r1 = r0 + row, r2 = r1 + row, r3 = r2 + row;
    let out = to + (<usize>x << 2);
    let k = 0;
    for (; k + 4 <= K; k += 4, out += 4 * step) {
      const at = <usize>k << 2;
      const a = v128.load(r0 + at), b = v128.load(r1 + at), c = v128.load(r2 + at), d = v128.load(r3 + at);
      const t0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      const t2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7), t3 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(out, v128.shuffle<i64>(t0, t1, 0, 2));
      v128.store(out + step, v128.shuffle<i64>(t0, t1, 1, 3));
      v128.store(out + 2 * step, v128.shuffle<i64>(t2, t3, 0, 2));
      v128.store(out + 3 * step, v128.shuffle<i64>(t2, t3, 1, 3));
    }
    for (; k < K; k++, out += step) {
      const at = <usize>k << 2;
      store<f32>(out, load<f32>(r0 + at));
      store<f32>(out, load<f32>(r1 + at), 4);
      store<f32>(out, load<f32>(r2 + at), 8);
      store<f32>(out, load<f32>(r3 + at), 12);
    }
  }
}

/** Bytes of a number in a format. */
// @ts-ignore: decorator
@inline function bytesOf(format: i32): usize {
  return format == 0 ? 4 : format == 3 ? 1 : 2;
}

/** n numbers (a multiple of 8) of a short format as float32. */
function expand(format: i32, from: usize, to: usize, n: i32): void {
  if (format == 1) {
    for (let i = 0; i < n; i += 4, from += 8, to += 16) v128.store(to, i32x4.shl(v128.load_ext<u16>(from), 16));
  } else if (format == 2) {
    // float16 → float32: exponent and mantissa moved up; times 2^112 sets the bias right, subnormals included
    const low = i32x4.splat(0x7fff), high = i32x4.splat(0x8000), up = f32x4.splat(5.192296858534828e33);
    const top = i32x4.splat(0x7c00), special = i32x4.splat(0x7f800000);
    for (let i = 0; i < n; i += 4, from += 8, to += 16) {
      const h = v128.load_ext<u16>(from);
      const bits = v128.and(h, low);
      let v = f32x4.mul(i32x4.shl(bits, 13), up);
      v = v128.or(v, v128.and(i32x4.ge_s(bits, top), special)); // ∞ and NaN
      v128.store(to, v128.or(v, i32x4.shl(v128.and(h, high), 16)));
    }
  } else {
    for (let i = 0; i < n; i += 8, from += 8, to += 32) {
      const x = v128.load_ext<i8>(from);
      v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x)));
      v128.store(to, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x)), 16);
    }
  }
}

/** One row of A against neighbouring panels: sums of 32 columns stay in registers. */
function rowTimesPanels(a: usize, p0: usize, p1: usize, p2: usize, p3: usize, n: i32, c: usize, add: bool): void {
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

/** Columns that `rowTimesPanels` does at once. */
const GROUP_COLUMNS: i32 = 32;

/**
 * Few rows (a decoding step): matrix × vector, one pass over the packed weight at the speed of memory. The register tile
 * would multiply MR copies of the row. Every sum has the same order as in the tile.
 */
function fewRows(g: ProductArgs, a: usize, b: usize, c: usize, residual: usize, p0: i32, p1: i32, strip: usize): void {
  const perGroup = GROUP_COLUMNS / NR;
  const size = bytesOf(g.format);
  const whole = <usize>(g.depth * NR) * size; // bytes of a panel
  const expanded = strip + <usize>(GROUP_COLUMNS << 2); // [perGroup][DEPTH, NR], for short formats
  for (let p = p0; p < p1; p += perGroup) {
    const last = <usize>min(perGroup, p1 - p) - 1; // panels past the end: the last one again, its columns are not stored
    for (let m = 0; m < g.rows; m++) {
      for (let k = 0; k < g.depth; k += DEPTH) {
        const steps = min(DEPTH, g.depth - k);
        let first = b + <usize>p * whole + <usize>(k * NR) * size;
        let step = whole;
        if (g.format != 0) {
          for (let x: usize = 0; x <= last; x++) expand(g.format, first + x * whole, expanded + x * (<usize>DEPTH * WIDTH), steps * NR);
          first = expanded;
          step = <usize>DEPTH * WIDTH;
        }
        const at = a + <usize>m * g.aRow + (<usize>k << 2);
        const second = first + min<usize>(1, last) * step;
        if (WIDE) rowTimesPanels(at, first, first + 32, second, second + 32, steps, strip, k != 0);
        else rowTimesPanels(at, first, second, first + min<usize>(2, last) * step, first + min<usize>(3, last) * step, steps, strip, k != 0);
      }
      if (g.depth == 0) memory.fill(strip, 0, <usize>(GROUP_COLUMNS << 2));
      for (let x = 0; x <= <i32>last; x++) {
        const n0 = (p + x) * NR;
        const at = <usize>m * g.cRow + (<usize>n0 << 2);
        finish(g, strip + <usize>x * WIDTH, 1, c + at, residual + at, n0, min(NR, g.columns - n0));
      }
    }
  }
}

/** Rows up to which matrix × vector, row by row, beats the register tile. */
const FEW: i32 = 2;

/** From a finished tile to C: scale, bias, activation, residual, and the ragged edge. */
function finish(g: ProductArgs, tile: usize, rows: i32, c: usize, residual: usize, n0: i32, width: i32): void {
  const bias = g.bias ? g.bias + (<usize>n0 << 2) : 0, columnScale = g.columnScale ? g.columnScale + (<usize>n0 << 2) : 0;
  const scale = f32x4.splat(g.scale);
  const plain = g.scale == 1;
  for (let r = 0; r < rows; r++, tile += WIDTH, c += g.cRow, residual += g.cRow) {
    for (let x = 0; x < width; x += 4) {
      const at = <usize>x << 2;
      let y = v128.load(tile + at);
      if (!plain) y = f32x4.mul(y, scale);
      if (columnScale) y = f32x4.mul(y, v128.load(columnScale + at));
      if (bias) y = f32x4.add(y, v128.load(bias + at));
      if (g.activation) y = activate(g.activation, y);
      if (g.residual) y = f32x4.add(y, v128.load(residual + at));
      if (x + 4 <= width) v128.store(c + at, y);
      else storePart(c + at, y, width - x);
    }
  }
}

export function productScratch(args: usize): usize {
  return <usize>(changetype<ProductArgs>(args).rowBlock + MR + 4 * DEPTH) * WIDTH + 256;
}

export function product(args: usize, task: i32, scratch: usize): void {
  const g = changetype<ProductArgs>(args);
  const perItem = g.rowBlocks * g.panelBlocks;
  const item = task / perItem;
  const cut = task % perItem;
  const m0 = (cut % g.rowBlocks) * g.rowBlock;
  const p0 = (cut / g.rowBlocks) * g.panelBlock;
  const m1 = min(m0 + g.rowBlock, g.rows);
  const p1 = min(p0 + g.panelBlock, (g.columns + NR - 1) / NR);
  const a = g.a + <usize>item * g.aBatch;
  const b = g.b + <usize>item * g.bBatch;
  const c = g.c + <usize>item * g.cBatch;
  const strip = (scratch + 63) & ~63;
  const wide = WIDTH;
  if (g.rows <= FEW && !g.transposedA) {
    fewRows(g, a, b, c, g.residual + <usize>item * g.cBatch, p0, p1, strip);
    return;
  }
  const expanded = strip + <usize>(g.rowBlock + MR) * wide;
  for (let p = p0; p < p1; p++) {
    const n0 = p * NR;
    for (let k = 0; k < g.depth; k += DEPTH) {
      const steps = min(DEPTH, g.depth - k);
      let panel = b + <usize>((p * g.depth + k) * NR) * bytesOf(g.format);
      if (g.format != 0) {
        expand(g.format, panel, expanded, steps * NR);
        panel = expanded;
      }
      for (let m = m0; m < m1; m += MR) {
        const tile = strip + <usize>(m - m0) * wide;
        if (g.transposedA) {
          const at = a + <usize>k * g.aStep + (<usize>m << 2);
          if (k == 0) columnsZero(at, g.aStep, panel, wide, tile, wide, steps);
          else columnsAdd(at, g.aStep, panel, wide, tile, wide, steps);
        } else {
          const at = a + <usize>m * g.aRow + (<usize>k << 2);
          const last = <usize>min(MR, m1 - m) - 1;
          if (k == 0) rowsZero(at, g.aRow, last, panel, wide, tile, wide, steps);
          else rowsAdd(at, g.aRow, last, panel, wide, tile, wide, steps);
        }
      }
    }
    if (g.depth == 0) memory.fill(strip, 0, <usize>(m1 - m0) * wide);
    const at = <usize>m0 * g.cRow + (<usize>n0 << 2);
    finish(g, strip, m1 - m0, c + at, g.residual + <usize>item * g.cBatch + at, n0, min(NR, g.columns - n0));
  }
}
