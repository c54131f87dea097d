/** @file Rows of a packed weight as numbers again: how a word table that is an output layer too is read. */
import { BF16, F16, sizeOfSteps } from "./short";
import { NR } from "./tile";

/** Number (step k, column x) of a panel that begins at `panel`, in the format's own units. */
// @ts-ignore: decorator
@inline function numberAt(format: i32, panel: usize, k: i32, x: i32): f32 {
  if (format == 0) return load<f32>(panel + (<usize>(k * NR + x) << 2));
  if (format != BF16 && format != F16) return <f32>load<i8>(panel + <usize>((k >> 1) * 2 * NR + 2 * x + (k & 1)));
  const bits = <u32>load<u16>(panel + (<usize>(k * NR + (x & 8) + 2 * (x & 3) + ((x >> 2) & 1)) << 1));
  if (format == BF16) return reinterpret<f32>(bits << 16);
  const size = bits & 0x7fff, sign = (bits & 0x8000) << 16;
  const value = size >= 0x7c00 ? reinterpret<f32>(0x7f800000 | (size << 13)) : reinterpret<f32>(size << 13) * <f32>5.192296858534828e33; // 2^112
  return reinterpret<f32>(reinterpret<u32>(value) | sign);
}

/** y[r] = row ids[r] of the weight [N, n], for r in [from, to). `scales`: of int8, one a row; else 0. */
export function unpackRows(panels: usize, ids: usize, scales: usize, format: i32, y: usize, from: i32, to: i32, n: i32): void {
  for (let r = from; r < to; r++) {
    const id = load<i32>(ids + (<usize>r << 2));
    const panel = panels + <usize>(id / NR) * sizeOfSteps(format, n), x = id % NR;
    const out = y + (<usize>(r * n) << 2);
    const scale: f32 = scales ? load<f32>(scales + (<usize>id << 2)) : 1;
    for (let k = 0; k < n; k++) store<f32>(out + (<usize>k << 2), numberAt(format, panel, k, x) * scale);
  }
}
