/** @file The factor on q·k that a map of weights shows. */
import type { Problem } from "./problem.js";
import { rawScores } from "./simulate.js";

/**
 * The factor on q·k that weights show: least squares of ln(w_ij/w_i0) over the differences of raw scores.
 * @returns undefined when no single factor explains the weights
 */
export function fittedScale(p: Problem, weights: Float64Array): number | undefined {
  const raw = rawScores(p);
  let [xy, xx] = [0, 0];
  const points: [number, number][] = [];
  for (let row = 0; row < p.B * p.H * p.Lq; row++)
    for (let j = 1; j < p.Lk; j++) {
      const [a, b] = [weights[row * p.Lk]!, weights[row * p.Lk + j]!];
      if (!(a > 1e-7 && b > 1e-7)) continue;
      const x = raw[row * p.Lk + j]! - raw[row * p.Lk]!;
      const y = Math.log(b / a);
      points.push([x, y]);
      xy += x * y;
      xx += x * x;
    }
  if (points.length < 4 || xx === 0) return undefined;
  const scale = xy / xx;
  return points.every(([x, y]) => Math.abs(y - scale * x) < 0.05) ? scale : undefined;
}
