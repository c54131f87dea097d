/** @file The way back through broadcasting and comparisons. */
import type { Kernel } from "../kernels/kernel.js";
import { broadcastShapes, broadcastStrides, type Tensor } from "../tensor/index.js";

/** All rows under one another: [M, N]. */
export function rowsOf(x: Tensor): Tensor {
  const n = x.shape.at(-1)!;
  return x.shape.length === 2 ? x : x.reshape([n === 0 ? 0 : x.size / n, n]);
}

/** What was stretched forwards is summed up backwards: dy in the shape its operand had. */
export function sumTo(kernel: Kernel, dy: Tensor, shape: readonly number[]): Tensor {
  const lead = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((d, axis) => (axis < lead || (shape[axis - lead] === 1 && d !== 1) ? [axis] : []));
  const summed = axes.length === 0 ? dy : kernel.reduce("sum", dy, axes);
  return summed.shape.length === shape.length ? summed : summed.reshape(shape);
}

/** The numbers of dy, repeated to fill `shape`. */
export function expand(kernel: Kernel, dy: Tensor, shape: readonly number[]): Tensor {
  return kernel.binary("add", filled(kernel, shape, 0), dy);
}

/** One number everywhere. */
export function filled(kernel: Kernel, shape: readonly number[], value: number): Tensor {
  const t = kernel.empty(shape);
  t.data.fill(value);
  return t;
}

/** f(a, b) pair by pair, broadcast. For the few slopes that ask which of two numbers won. */
export function compare(kernel: Kernel, a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor {
  const shape = broadcastShapes(a.shape, b.shape, "compare");
  const strides = [a, b].map((t) => broadcastStrides(t.shape, shape, "compare", "operand")) as [number[], number[]];
  const out = kernel.empty(shape);
  const [as, bs, to] = [a.data, b.data, out.data];
  const index = new Array<number>(shape.length).fill(0);
  for (let n = 0, i = 0, j = 0; n < to.length; n++) {
    to[n] = f(as[i]!, bs[j]!);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      i += strides[0][axis]!;
      j += strides[1][axis]!;
      if (++index[axis]! < shape[axis]!) break;
      i -= strides[0][axis]! * shape[axis]!;
      j -= strides[1][axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Computes for the first caller and gives the others the same result: one backward serves several slopes. */
export function once<A, R>(f: (a: A) => R): (a: A) => R {
  let result: R | undefined;
  return (a) => (result ??= f(a));
}
