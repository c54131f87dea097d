/** @file The end of a product: scale, bias, activation, residual, and the ragged edge. */
import { ProductArgs } from "./calls.generated";
import { activate } from "./elementwise";
import { storePart } from "./simd";
import { WIDTH } from "./tile";

/** From a finished tile to C: scale, bias, activation, residual, and the ragged edge. */
export function finish(g: ProductArgs, tile: usize, rows: i32, c: usize, residual: usize, n0: i32, width: i32): void {
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
