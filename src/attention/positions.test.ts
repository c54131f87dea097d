import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normal } from "../../test/conformance/numbers.js";
import { tensor } from "../tensor/index.js";
import {
  alibiSlopes,
  attention,
  attentionWeights,
  type RopeScaling,
  relativeBias,
  relativeBucket,
  rope,
  ropeFrequencies,
} from "./index.js";

describe("rope", () => {
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Array.from(a).reduce((s, x, n) => s + x * b[n], 0);

  test("half-split: number 0 turns with number n/2; interleaved: with number 1", () => {
    const x = tensor([1, 0, 0, 0], [1, 4]);
    const at = (interleaved: boolean): number[] => [...rope(x, 1, { interleaved }).data];
    expect(at(false)).toEqual([Math.cos(1), 0, Math.sin(1), 0].map(Math.fround));
    expect(at(true)).toEqual([Math.cos(1), Math.sin(1), 0, 0].map(Math.fround));
  });
  test("q·k depends on the distance alone: shifting both by s changes nothing", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(50), fc.nat(50), fc.nat(50), fc.boolean(), (seed, i, j, s, interleaved) => {
        const [q, k] = [normal(seed, [1, 8]), normal(seed + 1, [1, 8])];
        const score = (shift: number): number =>
          dot(rope(q, i + shift, { interleaved }).data, rope(k, j + shift, { interleaved }).data);
        expect(Math.abs(score(s) - score(0))).toBeLessThan(2e-5); // 16 roundings of numbers of about 10
      }),
    );
  });
  test("partial: numbers past dim pass unchanged", () => {
    const x = normal(1, [2, 3, 5, 10]);
    const y = rope(x, 7, { dim: 4 });
    x.data.forEach((v, n) => {
      if (n % 10 >= 4) expect(y.data[n]).toBe(v);
    });
    expect(y.data).not.toEqual(x.data);
  });
  test("positions as a table: each batch item its own", () => {
    const x = normal(1, [2, 1, 2, 4]);
    const y = rope(x, [
      [0, 1],
      [5, 9],
    ]);
    const one = rope(tensor(x.data.slice(8), [1, 1, 2, 4]), [5, 9]);
    expect(y.data.slice(8)).toEqual(one.data);
  });

  // From transformers 5.24.0's ROPE_INIT_FUNCTIONS by their formulas, worked out by hand for dim 4, base 10000: θ = 1, 0.01.
  test("linear divides every frequency", () =>
    expect([...ropeFrequencies({ dim: 4, scaling: { kind: "linear", factor: 4 } }).frequencies]).toEqual([
      0.25, 0.0025,
    ]));
  test("dynamic leaves short texts alone and raises the base for long ones", () => {
    const scaling: RopeScaling = { kind: "dynamic", factor: 2, maxPositions: 100 };
    expect([...ropeFrequencies({ dim: 4, scaling, length: 50 }).frequencies]).toEqual([1, 0.01]);
    const [first, second] = ropeFrequencies({ dim: 4, scaling, length: 200 }).frequencies; // base·(2·2 − 1)² = 90000
    expect([first, second]).toEqual([1, 90000 ** -0.5]);
  });
  test("llama3 keeps fast pairs, divides slow ones, blends between", () => {
    const scaling: RopeScaling = {
      kind: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalMaxPositions: 8192,
    };
    const { frequencies } = ropeFrequencies({ dim: 64, base: 500000, scaling });
    const plain = ropeFrequencies({ dim: 64, base: 500000 }).frequencies;
    expect(frequencies[0]).toBe(1); // 1304 turns over the original text
    expect(frequencies[31]).toBeCloseTo(plain[31] / 8, 12); // less than one turn
    const turns = (8192 * plain[16]) / (2 * Math.PI);
    expect(turns).toBeGreaterThan(1);
    expect(turns).toBeLessThan(4);
    const keep = (turns - 1) / 3;
    expect(frequencies[16]).toBeCloseTo(plain[16] * (keep + (1 - keep) / 8), 12);
  });
  test("yarn: fast pairs stay, slow ones are divided, cos and sin grow by 0.1·ln(factor) + 1", () => {
    const scaling: RopeScaling = { kind: "yarn", factor: 4, originalMaxPositions: 2048 };
    const { frequencies, attentionFactor } = ropeFrequencies({ dim: 64, scaling });
    const plain = ropeFrequencies({ dim: 64 }).frequencies;
    expect(attentionFactor).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
    expect(frequencies[0]).toBe(plain[0]);
    expect(frequencies[31]).toBeCloseTo(plain[31] / 4, 15);
    const low = Math.floor((64 * Math.log(2048 / (32 * 2 * Math.PI))) / (2 * Math.log(10000)));
    const high = Math.ceil((64 * Math.log(2048 / (2 * Math.PI))) / (2 * Math.log(10000)));
    const share = (12 - low) / (high - low);
    expect(frequencies[12]).toBeCloseTo(plain[12] * (share / 4 + 1 - share), 14);
  });
  test("longrope takes one list for short texts and one for long", () => {
    const scaling: RopeScaling = {
      kind: "longrope",
      shortFactor: [1, 2],
      longFactor: [4, 8],
      originalMaxPositions: 10,
      factor: 4,
    };
    expect([...ropeFrequencies({ dim: 4, scaling, length: 10 }).frequencies]).toEqual([1, 0.005]);
    expect([...ropeFrequencies({ dim: 4, scaling, length: 11 }).frequencies]).toEqual([0.25, 0.00125]);
    expect(ropeFrequencies({ dim: 4, scaling }).attentionFactor).toBe(Math.sqrt(1 + Math.log(4) / Math.log(10)));
  });
});

describe("ALiBi", () => {
  test("powers of two are one geometric sequence that starts at 2^(−8/n)", () => {
    expect(alibiSlopes(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((h) => 2 ** -h));
    expect(alibiSlopes(2)).toEqual([2 ** -4, 2 ** -8]);
    expect(alibiSlopes(1)).toEqual([2 ** -8]);
  });
  test("12 heads: those of 8, then every other one of 16", () =>
    expect(alibiSlopes(12).slice(8)).toEqual([1, 3, 5, 7].map((h) => 2 ** (-h / 2))));
  test("with q = 0 the logarithm of neighbouring weights differs by the slope", () => {
    const [q, k] = [tensor(new Float32Array(24), [1, 3, 4, 2]), normal(1, [1, 3, 4, 2])];
    const w = attentionWeights(q, k, { causal: true, alibi: true });
    alibiSlopes(3).forEach((slope, h) => {
      const at = (h * 4 + 3) * 4; // the last query
      expect(Math.log(w.data[at + 2] / w.data[at + 1])).toBeCloseTo(slope, 5);
    });
  });
});

describe("T5's relative bias", () => {
  test("buckets: half exact, the rest logarithmic up to maxDistance, later keys in the upper half", () => {
    const causal = [0, 1, 15, 16, 17, 20, 127, 128, 1000].map((far) => relativeBucket(-far, { bidirectional: false }));
    expect(causal).toEqual([0, 1, 15, 16, 16, 17, 31, 31, 31]);
    expect(relativeBucket(5, { bidirectional: false })).toBe(0); // a later key, which causal attention never sees
    const both = [-8, -7, 0, 7, 8, 128].map((d) => relativeBucket(d, { bidirectional: true }));
    expect(both).toEqual([8, 7, 0, 23, 24, 31]);
  });
  test("the view equals the full [H, Lq, Lk] bias, also from another position", () => {
    const [H, Lq, Lk] = [3, 5, 7];
    const table = normal(1, [32, H]);
    for (const queryOffset of [0, 2, 40]) {
      const full = new Float32Array(H * Lq * Lk).map((_, n) => {
        const [h, i, j] = [Math.floor(n / (Lq * Lk)), Math.floor(n / Lk) % Lq, n % Lk];
        return table.data[relativeBucket(j - (queryOffset + i), { bidirectional: true }) * H + h];
      });
      const [q, k, v] = [normal(2, [1, H, Lq, 4]), normal(3, [1, H, Lk, 4]), normal(4, [1, H, Lk, 4])];
      const view = relativeBias(table, { bidirectional: true, queries: Lq, keys: Lk, queryOffset });
      const want = attention(q, k, v, { scale: 1, bias: tensor(full, [H, Lq, Lk]) });
      expect(attention(q, k, v, { scale: 1, bias: view }).data).toEqual(want.data);
      expect(view.tensor.size).toBe(H * (Lq + Lk - 1));
    }
  });
});
