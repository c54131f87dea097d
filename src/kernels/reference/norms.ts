/**
 * @file Normalisation over the last axis, and its slopes.
 *     layerNorm: y = x̂·w + b,  x̂ = (x − μ)·r,  r = 1/√(σ² + ε)     Ba et al. 2016 (arXiv:1607.06450)
 *     rmsNorm:   y = x̂·w,      x̂ = x·r,         r = 1/√(mean x² + ε)  Zhang & Sennrich 2019 (arXiv:1910.07467)
 * Slopes, with g = dy·w:  dx = r·(g − [mean g] − x̂·mean(g·x̂)), [mean g] for layerNorm only; dw = Σ dy·x̂; db = Σ dy.
 */
import type { Tensor } from "../../tensor/index.js";
import { checkLastAxis, checkSame } from "../shapes.js";
import { type Allocate, rowsOf } from "./allocate.js";

/** μ (0 where the mean stays) and r of one row. */
function statistics(xs: Float32Array, at: number, length: number, epsilon: number, centred: boolean): [number, number] {
  let mean = 0;
  if (centred) {
    for (let n = 0; n < length; n++) mean += xs[at + n];
    mean /= length;
  }
  let squares = 0;
  for (let n = 0; n < length; n++) squares += (xs[at + n] - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / length + epsilon)];
}

function norm(
  empty: Allocate,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  epsilon: number,
  centred: boolean,
): Tensor {
  const { rows, length } = rowsOf(x);
  const y = empty(x.shape);
  const [xs, ys, ws, bs] = [x.data, y.data, weight?.data, bias?.data];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    const [mean, scale] = statistics(xs, at, length, epsilon, centred);
    for (let n = 0; n < length; n++) ys[at + n] = (xs[at + n] - mean) * scale * (ws ? ws[n] : 1) + (bs ? bs[n] : 0);
  }
  return y;
}

function normBackward(
  empty: Allocate,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
  centred: boolean,
): { dx: Tensor; dWeight: Tensor; dBias: Tensor } {
  const { rows, length } = rowsOf(x);
  const [dx, dWeight, dBias] = [empty(x.shape), empty([length]), empty([length])];
  const [xs, dys, dxs, ws] = [x.data, dy.data, dx.data, weight?.data];
  const [sumWeight, sumBias] = [new Float64Array(length), new Float64Array(length)];
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    const [mean, scale] = statistics(xs, at, length, epsilon, centred);
    let [meanG, meanGX] = [0, 0];
    for (let n = 0; n < length; n++) {
      const normed = (xs[at + n] - mean) * scale;
      const g = dys[at + n] * (ws ? ws[n] : 1);
      meanG += g / length;
      meanGX += (g * normed) / length;
      sumWeight[n] += dys[at + n] * normed;
      sumBias[n] += dys[at + n];
    }
    for (let n = 0; n < length; n++) {
      const normed = (xs[at + n] - mean) * scale;
      const g = dys[at + n] * (ws ? ws[n] : 1);
      dxs[at + n] = scale * (g - (centred ? meanG : 0) - normed * meanGX);
    }
  }
  dWeight.data.set(sumWeight);
  dBias.data.set(sumBias);
  return { dx, dWeight, dBias };
}

export function layerNorm(
  empty: Allocate,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  epsilon: number,
): Tensor {
  checkLastAxis("layerNorm", "weight", x, weight);
  checkLastAxis("layerNorm", "bias", x, bias);
  return norm(empty, x, weight, bias, epsilon, true);
}

export function rmsNorm(empty: Allocate, x: Tensor, weight: Tensor | undefined, epsilon: number): Tensor {
  checkLastAxis("rmsNorm", "weight", x, weight);
  return norm(empty, x, weight, undefined, epsilon, false);
}

export function layerNormBackward(
  empty: Allocate,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
): { dx: Tensor; dWeight: Tensor; dBias: Tensor } {
  checkSame("layerNorm backward", "dy", dy, x);
  return normBackward(empty, x, weight, epsilon, dy, true);
}

export function rmsNormBackward(
  empty: Allocate,
  x: Tensor,
  weight: Tensor | undefined,
  epsilon: number,
  dy: Tensor,
): { dx: Tensor; dWeight: Tensor } {
  checkSame("rmsNorm backward", "dy", dy, x);
  const { dx, dWeight } = normBackward(empty, x, weight, epsilon, dy, false);
  return { dx, dWeight };
}
