/** @file Matrix products. Sums are taken in float64, a row of the result at a time. */
import type { Tensor } from "../../tensor/index.js";
import type { LinearOptions } from "../kernel.js";
import { linearExtent, matmulExtent } from "../shapes.js";
import type { Allocate } from "./allocate.js";
import { activate } from "./elementwise.js";

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  scale?: number;
}

/** c[m, n] = scale · Σ_k a[m, k]·b[k, n] */
export function matmul(empty: Allocate, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { batch, M, K, N, aBatch, bBatch, shape } = matmulExtent(a, b, options);
  const { transposeA, transposeB, scale = 1 } = options;
  const c = empty(shape);
  const [as, bs, cs] = [a.data, b.data, c.data];
  const [am, ak] = transposeA ? [1, M] : [K, 1]; // steps to the next row, the next column
  const [bk, bn] = transposeB ? [1, K] : [N, 1];
  const sum = new Float64Array(N);
  for (let item = 0; item < batch; item++) {
    for (let m = 0; m < M; m++) {
      sum.fill(0);
      addRow(sum, as, item * aBatch + m * am, ak, bs, item * bBatch, bk, bn, K);
      if (scale !== 1) for (let n = 0; n < N; n++) sum[n] *= scale;
      cs.set(sum, (item * M + m) * N);
    }
  }
  return c;
}

/** sum[n] += Σ_k a[k]·b[k, n], in whichever order walks b along its numbers. */
function addRow(
  sum: Float64Array,
  as: Float32Array,
  a: number,
  ak: number,
  bs: Float32Array,
  b: number,
  bk: number,
  bn: number,
  K: number,
): void {
  const N = sum.length;
  if (bk === 1) {
    for (let n = 0; n < N; n++) {
      let s = 0;
      for (let k = 0; k < K; k++) s += as[a + k * ak] * bs[b + n * bn + k];
      sum[n] = s;
    }
  } else {
    for (let k = 0; k < K; k++) {
      const x = as[a + k * ak];
      for (let n = 0; n < N; n++) sum[n] += x * bs[b + k * bk + n];
    }
  }
}

/** y = activation(x·Wᵀ + bias) + residual */
export function linear(empty: Allocate, x: Tensor, weight: Tensor, options: LinearOptions = {}): Tensor {
  const { M, K, N, shape } = linearExtent(x, weight, options);
  const { bias, activation, residual } = options;
  const y = empty(shape);
  const [xs, ws, ys, bs, rs] = [x.data, weight.data, y.data, bias?.data, residual?.data];
  const row = new Float64Array(N);
  for (let m = 0; m < M; m++) {
    addRow(row, xs, m * K, 1, ws, 0, 1, K, K);
    if (bs) for (let n = 0; n < N; n++) row[n] += bs[n];
    if (activation) activate(activation, row);
    if (rs) for (let n = 0; n < N; n++) row[n] += rs[m * N + n];
    ys.set(row, m * N);
  }
  return y;
}
