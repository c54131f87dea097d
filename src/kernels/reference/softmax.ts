/**
 * @file Softmax over the last axis, its logarithm, and their slopes.
 *     p = e^(x − m)/Σ e^(x − m), m = max x       dx = p·(dy − Σ dy·p)
 *     ln p = x − m − ln Σ e^(x − m)              dx = dy − p·Σ dy
 * A row of nothing but −∞ is 0/0 = NaN, as everywhere; attention, where such rows have a meaning, does not use this.
 */
import type { Tensor } from "../../tensor/index.js";
import { checkSame } from "../shapes.js";
import { type Allocate, rowsOf } from "./allocate.js";

/** m and Σ e^(x − m) of one row. */
export function maxAndSum(xs: Float32Array, at: number, length: number): [number, number] {
  let m = Number.NEGATIVE_INFINITY;
  for (let n = 0; n < length; n++) m = Math.max(m, xs[at + n]);
  let sum = 0;
  for (let n = 0; n < length; n++) sum += Math.exp(xs[at + n] - m);
  return [m, sum];
}

export function softmax(empty: Allocate, x: Tensor): Tensor {
  const { rows, length } = rowsOf(x);
  const y = empty(x.shape);
  const [xs, ys] = [x.data, y.data];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    const [m, sum] = maxAndSum(xs, at, length);
    for (let n = 0; n < length; n++) ys[at + n] = Math.exp(xs[at + n] - m) / sum;
  }
  return y;
}

export function logSoftmax(empty: Allocate, x: Tensor): Tensor {
  const { rows, length } = rowsOf(x);
  const y = empty(x.shape);
  const [xs, ys] = [x.data, y.data];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    const [m, sum] = maxAndSum(xs, at, length);
    const log = Math.log(sum);
    for (let n = 0; n < length; n++) ys[at + n] = xs[at + n] - m - log;
  }
  return y;
}

export function softmaxBackward(empty: Allocate, y: Tensor, dy: Tensor): Tensor {
  checkSame("softmax backward", "dy", dy, y);
  const { rows, length } = rowsOf(y);
  const dx = empty(y.shape);
  const [ps, dys, dxs] = [y.data, dy.data, dx.data];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    let dot = 0;
    for (let n = 0; n < length; n++) dot += dys[at + n] * ps[at + n];
    for (let n = 0; n < length; n++) dxs[at + n] = ps[at + n] * (dys[at + n] - dot);
  }
  return dx;
}

export function logSoftmaxBackward(empty: Allocate, y: Tensor, dy: Tensor): Tensor {
  checkSame("logSoftmax backward", "dy", dy, y);
  const { rows, length } = rowsOf(y);
  const dx = empty(y.shape);
  const [logs, dys, dxs] = [y.data, dy.data, dx.data];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    let sum = 0;
    for (let n = 0; n < length; n++) sum += dys[at + n];
    for (let n = 0; n < length; n++) dxs[at + n] = dys[at + n] - Math.exp(logs[at + n]) * sum;
  }
  return dx;
}
