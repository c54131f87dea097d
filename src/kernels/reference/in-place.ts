/** @file What training does to its numbers where they lie. */
import type { Tensor } from "../../tensor/index.js";
import { checkSame } from "../shapes.js";

export function addInPlace(target: Tensor, source: Tensor, factor = 1): void {
  checkSame("addInPlace", "source", source, target);
  const [to, from] = [target.data, source.data];
  for (let n = 0; n < to.length; n++) to[n] += from[n] * factor;
}

export function scaleInPlace(target: Tensor, factor: number): void {
  const to = target.data;
  for (let n = 0; n < to.length; n++) to[n] *= factor;
}

export function sumOfSquares(x: Tensor): number {
  const xs = x.data;
  let sum = 0;
  for (let n = 0; n < xs.length; n++) sum += xs[n] * xs[n];
  return sum;
}

export interface AdamWStep {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  step: number;
}

/** Loshchilov & Hutter 2019 (arXiv:1711.05101) alg. 2 in torch's form; `step` counts from 1. */
export function adamWInPlace(p: Tensor, gradient: Tensor, m: Tensor, v: Tensor, options: AdamWStep): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = options;
  for (const [name, x] of [["gradient", gradient] as const, ["m", m] as const, ["v", v] as const]) {
    checkSame("adamW", name, x, p);
  }
  const [ps, gs, ms, vs] = [p.data, gradient.data, m.data, v.data];
  const [unbias1, unbias2] = [1 - beta1 ** step, 1 - beta2 ** step];
  for (let n = 0; n < ps.length; n++) {
    const mean = beta1 * ms[n] + (1 - beta1) * gs[n];
    const square = beta2 * vs[n] + (1 - beta2) * gs[n] * gs[n];
    ms[n] = mean;
    vs[n] = square;
    const decayed = ps[n] * (1 - learningRate * weightDecay);
    ps[n] = decayed - (learningRate * (mean / unbias1)) / (Math.sqrt(square / unbias2) + epsilon);
  }
}
