/** @file The end of a product: scale, bias, activation, residual, and the ragged edge. */
import { ProductArgs } from "./calls.generated";
import { activateAll } from "./elementwise";
import { storePart } from "./simd";
import { WIDTH } from "./tile";

/** From finished sums, `rows` rows of WIDTH bytes, to C. What is added lies at column n0 of its row. */
export function finish(g: ProductArgs, tile: usize, rows: i32, c: usize, residual: usize, n0: i32, width: i32): void {
  const column = <usize>n0 << 2, bytes = <usize>rows * WIDTH;
  if (g.scale != 1) {
    const scale = f32x4.splat(g.scale);
    for (let at: usize = 0; at < bytes; at += 16) v128.store(tile + at, f32x4.mul(v128.load(tile + at), scale));
  }
  if (g.columnScale) {
    for (let x: usize = 0; x < WIDTH; x += 16) {
      const scale = v128.load(g.columnScale + column + x);
      for (let at = x; at < bytes; at += WIDTH) v128.store(tile + at, f32x4.mul(v128.load(tile + at), scale));
    }
  }
  if (g.bias) {
    for (let x: usize = 0; x < WIDTH; x += 16) {
      const bias = v128.load(g.bias + column + x); // past the last column: whatever lies there, not stored
      for (let at = x; at < bytes; at += WIDTH) v128.store(tile + at, f32x4.add(v128.load(tile + at), bias));
    }
  }
  if (g.activation) activateAll(g.activation, tile, tile, bytes);
  const whole = width & ~3;
  for (let r = 0; r < rows; r++, tile += WIDTH, c += g.cRow, residual += g.cRow) {
    for (let x = 0; x < whole; x += 4) {
      const at = <usize>x << 2, y = v128.load(tile + at);
      v128.store(c + at, g.residual ? f32x4.add(y, v128.load(residual + at)) : y);
    }
    if (whole < width) {
      const at = <usize>whole << 2, y = v128.load(tile + at);
      storePart(c + at, g.residual ? f32x4.add(y, v128.load(residual + at)) : y, width - whole);
    }
  }
}
