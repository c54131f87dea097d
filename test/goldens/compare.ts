/** @file Comparison with golden numbers: where they part, by how much, and how much was allowed. */
import { expect } from "vitest";
import type { Safetensors, TensorLike } from "../../src/tensor/index.js";

export interface GoldenTensor {
  dtype: string;
  shape: number[];
  role: string;
  tol_abs: number;
  tol_abs_f32_impl?: number;
}

/** Rows of nested lists of an integer tensor [B, L]. */
export function rowsOf(file: Safetensors, name: string): number[][] {
  const { data, shape } = file.tensor(name);
  const length = shape.at(-1)!;
  return Array.from({ length: data.length / length }, (_, b) => [...data.subarray(b * length, (b + 1) * length)]);
}

/**
 * Fails with the worst place when any number is off by more than `tolerance`.
 * @param keep  which numbers are compared, by their index; default all
 */
export function expectClose(
  got: TensorLike,
  want: TensorLike,
  tolerance: number,
  what: string,
  keep: (index: number[]) => boolean = () => true,
): void {
  const shape = [...(want.shape ?? want.dims)!];
  expect([...(got.shape ?? got.dims)!], `${what}: shape`).toEqual(shape);
  let worst = { at: [] as number[], off: -1, got: 0, want: 0 };
  let count = 0;
  const index = shape.map(() => 0);
  for (let n = 0; n < want.data.length; n++) {
    let rest = n;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    if (!keep(index)) continue;
    const off = Math.abs(got.data[n]! - want.data[n]!);
    if (!(off <= tolerance)) count++;
    if (!(off <= worst.off)) worst = { at: [...index], off, got: got.data[n]!, want: want.data[n]! };
  }
  if (count > 0) {
    expect.fail(
      `${what} [${worst.at}]: got ${worst.got}, want ${worst.want}, |Δ| ${worst.off.toExponential(1)} > ${tolerance}; ${count} of ${want.data.length} are off`,
    );
  }
}
