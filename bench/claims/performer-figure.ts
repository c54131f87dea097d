/**
 * @file Performer (arXiv:2009.14794), Figure 4: error of the output by number of features, orthogonal against independent
 * rows, positive against trigonometric features, L 4096 and d 16 as there. The figure does not say how large q and k are,
 * and the answer turns on it: three sizes are measured.
 *     node --import jiti/register bench/claims/performer-figure.ts
 */
import { type FeatureMap, performer } from "../../src/attention/efficient/index.js";
import { attention } from "../../src/attention/index.js";
import { defaultKernel, withOperations } from "../../src/kernels/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { normals } from "../../src/tensor/random.js";
import { digits, type Finding, logSlope, report } from "./claim.js";

const [L, d] = [4096, 16];
const features = [16, 32, 64, 128]; // multiples of d: whole orthogonal frames, to which Theorem 2 speaks
const seeds = Array.from({ length: 8 }, (_, n) => n + 1);
const normal = (seed: number, deviation: number) => tensor(normals(seed, L * d, deviation), [1, 1, L, d]);
const meanSquare = (a: Tensor, b: Tensor) => a.data.reduce((s, x, i) => s + (x - b.data[i]!) ** 2, 0) / a.size;

interface Curves {
  deviation: number;
  norm: number;
  /** Mean squared error over the seeds for each number of features. */
  of(map: FeatureMap, orthogonal: boolean): number[];
}

function curves(deviation: number): Curves {
  const [q, k, v] = [normal(1, deviation), normal(2, deviation), normal(3, 1)];
  const exact = attention(q, k, v);
  const known = new Map<string, number[]>();
  const one = (map: FeatureMap, orthogonal: boolean, m: number) =>
    seeds.reduce(
      (sum, seed) =>
        sum +
        meanSquare(performer(q, k, v, { featureMap: map, orthogonal, features: m, epsilon: 0, seed }), exact) /
          seeds.length,
      0,
    );
  return {
    deviation,
    norm: Math.sqrt(d) * deviation,
    of(map, orthogonal) {
      const name = `${map} ${orthogonal}`;
      if (!known.has(name)) known.set(name, features.map((m) => one(map, orthogonal, m))); // biome-ignore format: one line
      return known.get(name)!;
    },
  };
}

const list = (xs: readonly number[]) => xs.map((x) => digits(x, 2)).join(" / ");
const findings: Finding[] = [];
withOperations(defaultKernel(), () => {
  for (const c of [0.25, 0.5, 1].map(curves)) {
    const place = `‖q‖, ‖k‖ about ${digits(c.norm, 2)}`;
    const [orthogonal, independent] = [c.of("positive", true), c.of("positive", false)];
    findings.push({
      claim: `orthogonal rows beat independent ones, positive features, ${place}`,
      target: `lower at m = ${features.join(", ")}`,
      measured: `${list(orthogonal)} against ${list(independent)}`,
      holds: orthogonal.every((x, n) => x < independent[n]!),
    });
    const waves = c.of("trigonometric", false);
    findings.push({
      claim: `positive features beat trigonometric ones, independent rows, ${place}`,
      target: "lower at every m",
      measured: `${list(independent)} against ${list(waves)}`,
      holds: independent.every((x, n) => x < waves[n]!),
    });
    findings.push({
      claim: `the error of positive features falls as 1/m, ${place}`,
      target: "slope −1, to 0.35",
      measured: digits(logSlope(features.map((m, n) => [m, independent[n]!] as const)), 3),
      holds: Math.abs(logSlope(features.map((m, n) => [m, independent[n]!] as const)) + 1) < 0.35,
    });
  }
});
report(
  "Performer: error by number of features",
  `L ${L}, d ${d}, one head, q and k normal with deviation 0.25, 0.5, 1, v with 1; mean squared error over ${seeds.length} projections, seeds 1 …; m = ${features.join(" / ")}`,
  findings,
);
