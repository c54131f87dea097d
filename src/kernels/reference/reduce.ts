/** @file Sum, mean and maximum over axes, which stay as 1. */
import { stridesOf, type Tensor } from "../../tensor/index.js";
import type { Allocate } from "./allocate.js";
import { forEachRun, mergeAxes } from "./elementwise.js";

export function reduce(empty: Allocate, kind: "sum" | "mean" | "max", x: Tensor, axes: readonly number[]): Tensor {
  const rank = x.shape.length;
  const gone = new Set(axes.map((a) => (a < 0 ? a + rank : a)));
  const shape = x.shape.map((d, axis) => (gone.has(axis) ? 1 : d));
  const y = empty(shape);
  const xs = x.data;
  const into = stridesOf(shape).map((s, axis) => (gone.has(axis) ? 0 : s));
  const sums = new Float64Array(y.size).fill(kind === "max" ? Number.NEGATIVE_INFINITY : 0);
  forEachRun(mergeAxes(x.shape, [into]), (from, [to], n, [step]) => {
    if (kind === "max") for (let c = 0; c < n; c++, to += step) sums[to] = Math.max(sums[to], xs[from + c]);
    else for (let c = 0; c < n; c++, to += step) sums[to] += xs[from + c];
  });
  if (kind === "mean") for (let n = 0; n < sums.length; n++) sums[n] /= x.size / sums.length;
  y.data.set(sums);
  return y;
}
