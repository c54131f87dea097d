/**
 * @file Performer, Lemma 2 and Theorem 2 (arXiv:2009.14794): the mean squared error of each estimator of e^(x·y).
 *     node --import jiti/register bench/claims/performer-variance.ts      some minutes
 */
import { drawProjection, type FeatureMap, softmaxFeatures } from "../../src/attention/efficient/index.js";
import { defaultKernel, withOperations } from "../../src/kernels/index.js";
import { tensor } from "../../src/tensor/index.js";
import { digits, type Finding, report } from "./claim.js";

const [d, m] = [16, 16];
const draws = { lemma: 320_000, theorem: 40_000 }; // one standard error of the lemma's is then a third of a percent

/** Two vectors of a length at an angle whose cosine is given. */
function pair(length: number, cosine: number) {
  const x = new Float32Array(d);
  const y = new Float32Array(d);
  x[0] = length;
  y[0] = length * cosine;
  y[1] = length * Math.sqrt(1 - cosine ** 2);
  const [sumSquare, differenceSquare] = [2 * length ** 2 * (1 + cosine), 2 * length ** 2 * (1 - cosine)];
  return {
    x: tensor(x, [1, 1, 1, d]),
    y: tensor(y, [1, 1, 1, d]),
    sumSquare,
    differenceSquare,
    sm: Math.exp(length ** 2 * cosine),
    length,
  };
}

/** Mean of (φ(x)·φ(y) − e^(x·y))² over fresh projections; `groups` of m rows are drawn at once and used apart. */
function meanSquare(p: ReturnType<typeof pair>, map: FeatureMap, orthogonal: boolean): { mse: number; spread: number } {
  const squares: number[] = [];
  const groups = 500; // of m = d rows: each is one block of drawProjection, so one orthogonal frame
  for (let seed = 0; seed < (orthogonal ? draws.theorem : draws.lemma) / groups; seed++) {
    const w = drawProjection({ features: m * groups, headDim: d, seed: seed + 1, orthogonal });
    const options = { map, shared: "none", epsilon: 0 } as const;
    const [fx, fy] = [softmaxFeatures(p.x, w, options).data, softmaxFeatures(p.y, w, options).data];
    const kinds = fx.length / (m * groups); // sin and cos, or e^+ and e^−, lie one after the other
    for (let g = 0; g < groups; g++) {
      let dot = 0;
      for (let kind = 0; kind < kinds; kind++) {
        for (let i = 0; i < m; i++) {
          const at = kind * m * groups + g * m + i;
          dot += fx[at]! * fy[at]! * groups; // features carry 1/√(m·groups) each
        }
      }
      squares.push((dot - p.sm) ** 2);
    }
  }
  const mse = squares.reduce((a, b) => a + b, 0) / squares.length;
  const variance = squares.reduce((s, x) => s + (x - mse) ** 2, 0) / squares.length;
  return { mse, spread: Math.sqrt(variance / squares.length) / mse };
}

const findings: Finding[] = [];
withOperations(defaultKernel(), () => {
  const p = pair(0.5, 0.5);
  const trig = (Math.exp(p.sumSquare) * (1 - Math.exp(-p.differenceSquare)) ** 2) / (2 * m * p.sm ** 2);
  const positive = (Math.exp(p.sumSquare) * p.sm ** 2 * (1 - Math.exp(-p.sumSquare))) / m;
  const hyperbolic = 0.5 * (1 - Math.exp(-p.sumSquare)) * positive;
  for (const [map, formula] of [
    ["trigonometric", trig],
    ["positive", positive],
    ["hyperbolic", hyperbolic],
  ] as const) {
    const { mse, spread } = meanSquare(p, map, false);
    const off = Math.abs(mse / formula - 1);
    findings.push({
      claim: `Lemma 2, ${map}: MSE at ‖x‖ = ‖y‖ = 0.5, cos 0.5, d = m = 16`,
      target: `${digits(formula)} by the formula, to 1 %`,
      measured: `${digits(mse)}, ${(100 * off).toFixed(2)} % off; one standard error of ${draws.lemma} draws is ${(100 * spread).toFixed(2)} %`,
      holds: off < 0.01,
    });
  }
  for (const [length, cosine] of [
    [0.5, 0.25],
    [0.35, 0.1],
    [0.4, 0.25],
  ] as const) {
    const q = pair(length, cosine);
    const independent = (Math.exp(q.sumSquare) * q.sm ** 2 * (1 - Math.exp(-q.sumSquare))) / m;
    const gain = ((2 * (m - 1)) / (m * (d + 2))) * (q.sm - Math.exp(-(length ** 2))) ** 2;
    const { mse, spread } = meanSquare(q, "positive", true);
    findings.push({
      claim: `Theorem 2, orthogonal rows: MSE ≤ positive − 2(m−1)/(m(d+2))·(SM − e^−(‖x‖²+‖y‖²)/2)², ‖x‖ = ${length}, cos ${cosine}`,
      target: `≤ ${digits(independent - gain)} (independent rows: ${digits(independent)})`,
      measured: `${digits(mse)}, standard error ${(100 * spread).toFixed(2)} %`,
      holds: mse <= (independent - gain) * (1 + 3 * spread),
    });
  }
});
report(
  "Performer: variance of the feature maps",
  `kernel ${defaultKernel().name}, float32; ${draws.lemma} and ${draws.theorem} projections, seeds 1 …`,
  findings,
);
