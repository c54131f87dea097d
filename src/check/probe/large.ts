/** @file Large scores: is the softmax shifted by its own row's largest score? */
import { base } from "./base.js";
import { distance, finite } from "./compare.js";
import type { Lab } from "./lab.js";
import { type Problem, problem, type Shape, shapeOf } from "./problem.js";
import { simulate } from "./simulate.js";

export interface LargeResult {
  says: string;
  problem: Problem;
  weights: Float64Array;
  expected: Float64Array;
  error: number;
}

/** A problem whose score of (query i, key j) is exactly score(i, j), by one dimension of q and k. */
export function withScores(
  shape: Shape,
  scale: number,
  score: (i: number, j: number) => number,
  seed: number,
): Problem {
  const p = problem(shape, seed);
  p.q.fill(0);
  p.k.fill(0);
  // Scores here are a product: a factor of the query times a number of the key.
  for (let row = 0; row < p.B * p.H * p.Lq; row++) p.q[row * p.D] = score(row % p.Lq, -1);
  for (let row = 0; row < p.B * p.Hk * p.Lk; row++) p.k[row * p.D] = score(-1, row % p.Lk) / scale;
  return p;
}

/** Asks for rows with scores of ±40 000, rows of very different size in one map, and two scores of 400 that nearly agree. */
export function largeScores(lab: Lab): Promise<LargeResult[]> {
  return lab.once("large", async () => {
    const known = await base(lab);
    const half = known.tolerance > 1e-3;
    const big = half ? 2000 : 40_000;
    const D = known.fittedFor ?? 4;
    const shape = lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D }));
    const scale = known.recipe(problem(shape, 1)).scale ?? lab.meantScale(D);
    const keys = [1, 0.5, -1];
    const near = [400, 400.0078125, -400];
    const asks: [string, (i: number, j: number) => number][] = [
      [`scores of ±${big}`, (_i, j) => (j < 0 ? big : keys[j]!)],
      [`scores that are all below −${big / 2}`, (_i, j) => (j < 0 ? -big : 1 + keys[j]! / 4)],
      [`one row of scores near ${big}, the others near 0`, (i, j) => (j < 0 ? (i === 0 ? big : 0.5) : 1 + keys[j]!)],
      ...(half
        ? []
        : ([["two scores of 400 and 400.0078125", (_i, j) => (j < 0 ? 1 : near[j]!)]] as [
            string,
            (i: number, j: number) => number,
          ][])),
    ];
    const out: LargeResult[] = [];
    for (const [says, score] of asks) {
      const p = withScores(shape, scale, score, lab.seed);
      const got = await lab.weights(p);
      if (!got.ok) continue;
      const expected = simulate(p, known.recipe(p)).weights;
      out.push({
        says,
        problem: p,
        weights: got.weights,
        expected,
        error: finite(got.weights) ? distance(got.weights, expected) : Number.POSITIVE_INFINITY,
      });
    }
    return out;
  });
}
