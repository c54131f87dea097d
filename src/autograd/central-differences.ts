/**
 * @file Slopes by central differences, to hold the recorder against.
 *     ∂L/∂x_i ≈ (L(x + h·e_i) − L(x − h·e_i))/2h
 * In float64 with h = 1e-5 and numbers near 1 the error is about h²/6 + ε/h ≈ 4e-11.
 */
import { float64Tensor } from "../kernels/reference/allocate.js";
import type { Tensor } from "../tensor/index.js";

/** Slope of a function of one tensor that gives a number. The tensor's numbers are moved and put back. */
export function centralDifferences(loss: () => number, x: Tensor, h = 1e-5): Tensor {
  const slope = new Float64Array(x.size);
  for (let i = 0; i < x.size; i++) {
    const at = x.data[i]!;
    x.data[i] = at + h;
    const up = loss();
    x.data[i] = at - h;
    const down = loss();
    x.data[i] = at;
    slope[i] = (up - down) / (2 * h);
  }
  return float64Tensor(slope, x.shape);
}
