/** @file How the learning rate moves, and how large a slope may be. */
import { kernelInForce } from "../kernels/current.js";
import type { Tensor } from "../tensor/index.js";

export interface ScheduleOptions {
  peak: number;
  /** Steps from 0 to the peak. */
  warmUp: number;
  /** All steps, warm-up included. */
  steps: number;
  /** Share of the peak left at the end; default 0.05. */
  floor?: number;
}

/**
 * Linear warm-up, then half a cosine down. Loshchilov & Hutter 2017 (arXiv:1608.03983) eq. 5, without restarts.
 * @param step counts from 1
 */
export function warmUpCosine({ peak, warmUp, steps, floor = 0.05 }: ScheduleOptions): (step: number) => number {
  return (step) => {
    if (step <= warmUp) return (peak * step) / warmUp;
    const done = Math.min(1, (step - warmUp) / Math.max(1, steps - warmUp));
    return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * done)));
  };
}

/**
 * One schedule after another: a warm restart, Loshchilov & Hutter 2017 (arXiv:1608.03983) §3.
 * @param stretches each with its own peak, warm-up and steps; beyond the last, its end goes on
 */
export function restarts(stretches: readonly ScheduleOptions[]): (step: number) => number {
  return (step) => {
    let before = 0;
    for (const [n, stretch] of stretches.entries()) {
      if (step <= before + stretch.steps || n === stretches.length - 1) return warmUpCosine(stretch)(step - before);
      before += stretch.steps;
    }
    return 0; // no stretches
  };
}

/**
 * Scales all slopes together so that their length is at most `limit`. Pascanu et al. 2013 (arXiv:1211.5063) alg. 1.
 * @returns the length before
 */
export function clip(gradients: Readonly<Record<string, Tensor>>, limit: number): number {
  const kernel = kernelInForce();
  const all = Object.values(gradients);
  const length = Math.sqrt(all.reduce((sum, g) => sum + kernel.sumOfSquares(g), 0));
  if (length > limit) for (const g of all) kernel.scaleInPlace(g, limit / length);
  return length;
}
