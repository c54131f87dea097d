/**
 * @file What adds rows up: sums over rows, and the slope of a lookup. A task has columns [from, to) of all rows, so that
 * every sum has one order whatever the cut. Tables are [rows, n], contiguous.
 */
import { put } from "./rows";

/** y[i] = factor · Σ over rows of x [rows, n]. Four rows at a time, in their order: y is loaded and stored once for them. */
export function sumOfRows(x: usize, y: usize, rows: i32, n: i32, factor: f32, from: i32, to: i32): void {
  const bytes = <usize>n << 2;
  memory.fill(y + (<usize>from << 2), 0, <usize>(to - from) << 2);
  let r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * bytes) {
    for (let i = from; i < to; i += 4) {
      const at = <usize>i << 2;
      let s = f32x4.add(v128.load(y + at), v128.load(x + at));
      s = f32x4.add(s, v128.load(x + bytes + at));
      s = f32x4.add(s, v128.load(x + 2 * bytes + at));
      put(y + at, f32x4.add(s, v128.load(x + 3 * bytes + at)), to - i);
    }
  }
  for (; r < rows; r++, x += bytes) add(x, y, from, to);
  if (factor == 1) return;
  const f = f32x4.splat(factor);
  for (let i = from; i < to; i += 4) {
    const at = <usize>i << 2;
    put(y + at, f32x4.mul(v128.load(y + at), f), to - i);
  }
}

/** y[i] += x[i] for columns [from, to). */
// @ts-ignore: decorator
@inline function add(x: usize, y: usize, from: i32, to: i32): void {
  for (let i = from; i < to; i += 4) {
    const at = <usize>i << 2;
    put(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)), to - i);
  }
}

/** Row ids[r] of `table` [height, n] takes the sum of the rows r of dy [rows, n] that name it; 0 where none does. */
export function scatterAdd(dy: usize, ids: usize, rows: i32, table: usize, height: i32, n: i32, from: i32, to: i32): void {
  const bytes = <usize>n << 2, first = <usize>from << 2, width = <usize>(to - from) << 2;
  if (width == bytes) memory.fill(table, 0, <usize>height * bytes);
  else for (let r = 0; r < height; r++) memory.fill(table + <usize>r * bytes + first, 0, width);
  for (let r = 0; r < rows; r++) {
    add(dy + <usize>r * bytes, table + <usize>load<i32>(ids + (<usize>r << 2)) * bytes, from, to);
  }
}
