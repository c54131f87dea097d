/** @file Where the reference puts its results. */
import { sizeOf, Tensor } from "../../tensor/index.js";

/**
 * Gives uninitialised numbers of a shape. Kernel memory may move when it grows, so every operation allocates its
 * results first and reads `data` of anything afterwards.
 */
export type Allocate = (shape: readonly number[]) => Tensor;

/**
 * A tensor whose numbers are float64: the only kind that is not float32. `Tensor` promises a Float32Array; every loop
 * of the reference reads and writes either, so this cast, the one place for it, is sound inside this folder.
 */
export function float64Tensor(data: ArrayLike<number>, shape: readonly number[]): Tensor {
  const array = data instanceof Float64Array ? data : Float64Array.from(data);
  return new Tensor({ array: array as unknown as Float32Array }, [...shape]);
}

/** Ordinary memory of either precision, zeros. */
export function ordinary(precision: "float32" | "float64"): Allocate {
  return precision === "float64"
    ? (shape) => float64Tensor(new Float64Array(sizeOf(shape)), shape)
    : (shape) => new Tensor({ array: new Float32Array(sizeOf(shape)) }, [...shape]);
}

/** Zeros, for results that are summed up in place. */
export function zeros(empty: Allocate, shape: readonly number[]): Tensor {
  const out = empty(shape);
  out.data.fill(0);
  return out;
}

/** Rows and their length: the last axis, and everything before it folded into one. */
export function rowsOf(x: Tensor): { rows: number; length: number } {
  const length = x.shape.at(-1) ?? 1;
  return { rows: length === 0 ? 0 : x.size / length, length };
}
