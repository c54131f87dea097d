import fc from "fast-check";
import { expect, test } from "vitest";
import { attentionFlow, mixedLayer, receptiveFieldNormalised, rollout } from "./index.js";

/** Causal maps from a list of numbers: layers × heads × L × L. */
function maps(numbers: number[], layers: number, heads: number, L: number): Float32Array[][] {
  let n = 0;
  return Array.from({ length: layers }, () =>
    Array.from({ length: heads }, () => {
      const map = new Float32Array(L * L).fill(Number.NaN);
      for (let i = 0; i < L; i++) {
        let total = 0;
        for (let j = 0; j <= i; j++) total += map[i * L + j] = numbers[n++ % numbers.length]! + 0.01;
        for (let j = 0; j <= i; j++) map[i * L + j]! /= total;
      }
      return map;
    }),
  );
}
const numbers = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 61 });
const finish = <T>(steps: Generator<unknown, T>): T => {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
};

/** Every path from input j to output i through the layers, weights multiplied: rollout by its meaning. */
function byPaths(mixed: Float64Array[], L: number, output: number): number[] {
  const shares = new Array<number>(L).fill(0);
  const walk = (layer: number, at: number, weight: number): void => {
    if (weight === 0) return;
    if (layer === 0) shares[at]! += weight;
    else for (let j = 0; j < L; j++) walk(layer - 1, j, weight * mixed[layer - 1]![at * L + j]!);
  };
  walk(mixed.length, output, 1);
  return shares;
}

test("rollout equals the sum over all paths on 100 small graphs, and its rows sum to 1", () => {
  fc.assert(
    fc.property(
      numbers,
      fc.constantFrom("mean", "max", "min"),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      (given, fusion, residual) => {
        const [layers, heads, L] = [3, 2, 4];
        const options = { fusion: fusion as "mean", residual };
        const all = maps(given, layers, heads, L);
        const got = rollout(all, L, options);
        const mixed = all.map((h) => mixedLayer(h, L, options));
        for (let i = 0; i < L; i++) {
          const row = [...got.subarray(i * L, (i + 1) * L)];
          byPaths(mixed, L, i).forEach((want, j) => { expect(row[j]).toBeCloseTo(want, 10); }); // biome-ignore format: one comparison
          expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
        }
      },
    ),
    { numRuns: 100 },
  );
});

/** Largest flow = smallest cut: every way to part the nodes, tried. */
function smallestCut(layers: Float64Array[], L: number, input: number, output: number): number {
  const nodes = (layers.length + 1) * L;
  const sink = layers.length * L + output;
  let best = Number.POSITIVE_INFINITY;
  for (let set = 0; set < 1 << nodes; set++) {
    if (!(set & (1 << input)) || set & (1 << sink)) continue;
    let cut = 0;
    layers.forEach((map, l) => {
      for (let i = 0; i < L; i++)
        for (let j = 0; j < L; j++)
          if (set & (1 << (l * L + j)) && !(set & (1 << ((l + 1) * L + i)))) cut += map[i * L + j]!;
    });
    best = Math.min(best, cut);
  }
  return best;
}

test("flow equals the smallest cut, found by trying all, on 100 small graphs", () => {
  fc.assert(
    fc.property(numbers, (given) => {
      const [layers, L, output] = [2, 3, 2];
      const mixed = maps(given, layers, 1, L).map((h) => mixedLayer(h, L));
      const got = finish(attentionFlow(mixed, L, output));
      const want = [0, 1, 2].map((input) => smallestCut(mixed, L, input, output));
      const total = want.reduce((a, b) => a + b);
      want.forEach((w, j) => { expect(got[j]).toBeCloseTo(w / total, 9); }); // biome-ignore format: one comparison
    }),
    { numRuns: 100 },
  );
});

test("a causal model's rollout, normalised by receptive field, keeps rows at 1 and favours nobody by position alone", () => {
  const L = 5;
  const even = maps([1], 2, 1, L);
  const raw = rollout(even, L);
  const fair = receptiveFieldNormalised(raw, L);
  for (let i = 0; i < L; i++) expect(fair.subarray(i * L, (i + 1) * L).reduce((a, b) => a + b)).toBeCloseTo(1, 10);
  expect(fair[4 * L]! / fair[4 * L + 3]!).toBeLessThan(raw[4 * L]! / raw[4 * L + 3]!);
});
