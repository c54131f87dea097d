/** @file Operations that move numbers and compute nothing: permute, slice, concat. */
import { ShapeError, show, sizeOf, stridesOf, type Tensor } from "../../tensor/index.js";
import type { Allocate } from "./allocate.js";
import { forEachRun, mergeAxes } from "./elementwise.js";

/** Axis n of the result is axis `axes[n]` of x. */
export function permute(empty: Allocate, x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length || axes.some((a) => !(a in x.shape))) {
    throw new ShapeError({
      where: "permute",
      argument: "axes",
      got: `is ${show(axes)} for shape ${show(x.shape)}`,
      expected: `each of 0 to ${x.shape.length - 1} once`,
    });
  }
  const shape = axes.map((a) => x.shape[a]);
  const own = stridesOf(x.shape);
  const y = empty(shape);
  const [from, to] = [x.data, y.data];
  forEachRun(mergeAxes(shape, [axes.map((a) => own[a])]), (o, [i], n, [step]) => {
    if (step === 1) to.set(from.subarray(i, i + n), o);
    else for (let end = o + n; o < end; o++, i += step) to[o] = from[i];
  });
  return y;
}

export function slice(empty: Allocate, x: Tensor, axis: number, from: number, to: number): Tensor {
  const length = x.shape[axis];
  if (!(from >= 0 && from <= to && to <= length)) {
    throw new ShapeError({
      where: "slice",
      argument: `[${from}, ${to})`,
      got: `reaches outside axis ${axis} of ${show(x.shape)}`,
      expected: `0 ≤ from ≤ to ≤ ${length}`,
    });
  }
  const y = empty(x.shape.map((d, a) => (a === axis ? to - from : d)));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const outer = sizeOf(x.shape.slice(0, axis));
  const [xs, ys, run] = [x.data, y.data, (to - from) * inner];
  for (let r = 0; r < outer; r++) {
    const start = (r * length + from) * inner;
    ys.set(xs.subarray(start, start + run), r * run);
  }
  return y;
}

export function concat(empty: Allocate, parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts;
  const total = parts.reduce((n, p) => n + p.shape[axis], 0);
  for (const [n, p] of parts.entries()) {
    if (p.shape.length !== first.shape.length || p.shape.some((d, a) => a !== axis && d !== first.shape[a])) {
      throw new ShapeError({
        where: "concat",
        argument: `part ${n}`,
        got: `has shape ${show(p.shape)}`,
        expected: `${show(first.shape)} on every axis but ${axis}`,
      });
    }
  }
  const y = empty(first.shape.map((d, a) => (a === axis ? total : d)));
  const inner = sizeOf(first.shape.slice(axis + 1));
  const outer = sizeOf(first.shape.slice(0, axis));
  const ys = y.data;
  let before = 0;
  for (const p of parts) {
    const [xs, run] = [p.data, p.shape[axis] * inner];
    for (let r = 0; r < outer; r++) ys.set(xs.subarray(r * run, (r + 1) * run), r * total * inner + before);
    before += run;
  }
  return y;
}
