import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { referenceKernel, withOperations } from "../../kernels/index.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import {
  drawProjection,
  type LinearAttentionOptions,
  linearAttention,
  linformer,
  performer,
  reformer,
} from "./index.js";
import { distance, identity, masked, normal, poisoned, rowSums } from "./testing.js";

const within = <T>(body: () => T): T => withOperations(referenceKernel(), body);
const tolerance = 2e-6; // as in patterns.test.ts

describe("reformer", () => {
  /** Shared queries with unit keys: what remains when everything lands in one chunk. */
  const exact = (q: Tensor, v: Tensor, causal: boolean) => {
    const k = tensor(q.data.slice(), q.shape);
    const D = q.shape[3]!;
    for (let r = 0; r < q.size / D; r++) {
      const row = k.data.subarray(r * D, (r + 1) * D);
      const mean = row.reduce((s, x) => s + x * x, 0) / D;
      for (let d = 0; d < D; d++) row[d]! /= Math.sqrt(mean + 1e-6);
    }
    const out = masked(q, k, v, (i, j) => i !== j && (!causal || j < i));
    if (!causal) return out;
    const [B, H, L, Dv] = out.shape as [number, number, number, number];
    for (let head = 0; head < B * H; head++) {
      out.data.set(v.data.subarray(head * L * Dv, head * L * Dv + Dv), head * L * Dv); // the first sees only itself
    }
    return out;
  };

  test.each([false, true])(
    "one chunk, or one round over chunks that all see each other, is exact attention; causal %s",
    (causal) =>
      within(() => {
        const [q, v] = [normal(1, 2, 3, 12, 6), normal(2, 2, 3, 12, 5)];
        const want = exact(q, v, causal);
        expect(distance(reformer(q, q, v, { chunkLength: 12, causal }), want)).toBeLessThanOrEqual(tolerance);
        const chunks = { chunkLength: 4, chunksBefore: 1, chunksAfter: 1, rounds: 1, buckets: 4, causal };
        expect(distance(reformer(q, q, v, chunks), want)).toBeLessThanOrEqual(tolerance);
      }),
  );
  test("several rounds over the same keys are joined to the same softmax", () =>
    within(() => {
      const [q, v] = [normal(1, 1, 2, 12, 6), normal(2, 1, 2, 12, 5)];
      const twoRounds = reformer(q, q, v, { chunkLength: 6, chunksBefore: 3, rounds: 2, buckets: 2 });
      expect(distance(twoRounds, exact(q, v, false))).toBeLessThanOrEqual(tolerance); // each of 4 chunks sees all 4, twice over
    }));
  test("rows of weights sum to one, at a length that is no multiple of the chunk", () =>
    within(() => {
      const q = normal(3, 1, 2, 29, 6);
      const sums = rowSums(reformer(q, q, identity(1, 2, 29), { chunkLength: 4, rounds: 3, causal: true }));
      for (const s of sums.data) expect(s).toBeCloseTo(1, 5);
    }));
  test("causal: later tokens leave earlier rows equal, though they share the sort", () =>
    within(() => {
      const [q, v] = [normal(4, 1, 2, 24, 6), normal(5, 1, 2, 24, 5)];
      // the value is not hashed, so the order stays: only the mask keeps it out
      const out = reformer(q, q, v, { chunkLength: 4, causal: true });
      const changed = reformer(
        q,
        q,
        poisoned(v, Number.NaN, (_, j) => j >= 15),
        { chunkLength: 4, causal: true },
      );
      for (let h = 0; h < 2; h++) {
        const rows = (x: Tensor) => x.data.subarray(h * 24 * 5, (h * 24 + 15) * 5);
        expect(rows(changed)).toEqual(rows(out));
      }
    }));
  test("padding never reaches an output", () =>
    within(() => {
      const [q, v] = [normal(6, 1, 2, 21, 6), normal(7, 1, 2, 21, 5)];
      const options = { chunkLength: 4, keyLengths: [15] };
      const out = reformer(q, q, v, options);
      const x = poisoned(q, Number.NaN, (_, j) => j >= 15);
      const changed = reformer(
        x,
        x,
        poisoned(v, Number.NaN, (_, j) => j >= 15),
        options,
      );
      const rows = (y: Tensor, h: number) => y.data.subarray(h * 21 * 5, (h * 21 + 15) * 5);
      for (let h = 0; h < 2; h++) expect(rows(changed, h)).toEqual(rows(out, h));
    }));
});

describe("linformer", () => {
  test("the identity as projection is exact attention", () =>
    within(() => {
      const [q, k, v] = [normal(1, 2, 4, 7, 6), normal(2, 2, 2, 9, 6), normal(3, 2, 2, 9, 5)];
      const projectK = identity(1, 1, 9).reshape([9, 9]);
      expect(
        distance(
          linformer(q, k, v, { projectK }),
          masked(q, k, v, () => true),
        ),
      ).toBeLessThanOrEqual(tolerance);
    }));
  test("padding is taken out before keys are mixed", () =>
    within(() => {
      const [q, k, v] = [normal(1, 1, 2, 7, 6), normal(2, 1, 2, 9, 6), normal(3, 1, 2, 9, 5)];
      const E = normal(4, 9, 3);
      const bad = (x: Tensor) => poisoned(x, Number.NaN, (_, j) => j >= 6);
      const cut = (x: Tensor, d: number) =>
        tensor(Float32Array.from([0, 1].flatMap((h) => [...x.data.subarray(h * 9 * d, (h * 9 + 6) * d)])), [
          1,
          2,
          6,
          d,
        ]);
      const got = linformer(q, bad(k), bad(v), { projectK: E, keyLengths: [6] });
      const want = linformer(q, cut(k, 6), cut(v, 5), { projectK: tensor(E.data.slice(0, 18), [6, 3]) });
      expect(distance(got, want)).toBeLessThanOrEqual(tolerance);
    }));
});

describe("performer", () => {
  const [q, k, v] = [normal(1, 2, 4, 30, 6), normal(2, 2, 2, 30, 6), normal(3, 2, 2, 30, 5)];

  test.each(["positive", "hyperbolic", "trigonometric"] as const)(
    "%s features come near exact attention as they grow",
    (featureMap) =>
      within(() => {
        // Norms near 1: the error of every kind grows with them like e^(norm²).
        const small = (seed: number) =>
          tensor(
            normal(seed, 1, 1, 20, 4).data.map((n) => n / 2),
            [1, 1, 20, 4],
          );
        const [x, y] = [small(1), small(2)];
        const values = normal(3, 1, 1, 20, 5);
        const exact = masked(x, y, values, () => true);
        const error = (features: number) =>
          distance(performer(x, y, values, { features, featureMap, epsilon: 0 }), exact);
        expect(error(4096)).toBeLessThan(0.1); // spread of the mean of 4096 features: a few hundredths
        expect(error(4096)).toBeLessThan(error(16));
      }),
  );
  test.each(["softmax", "relu"] as const)(
    "causal sums by chunks equal the map cut off at the diagonal, kernel %s",
    (kernel) =>
      within(() => {
        const map = performer(q, k, identity(2, 2, 30), { kernel, seed: 3 });
        const got = performer(q, k, identity(2, 2, 30), { kernel, seed: 3, causal: true, chunk: 8 });
        for (let r = 0; r < 2 * 4 * 30; r++) {
          const row = map.data.subarray(r * 30, r * 30 + (r % 30) + 1);
          const sum = row.reduce((a, b) => a + b, 0);
          row.forEach((w, j) => void expect(got.data[r * 30 + j]).toBeCloseTo(w / sum, 5));
        }
      }),
  );
  test("causal: NaN in a later value leaves earlier rows equal", () =>
    within(() => {
      const options = { causal: true, epsilon: 0, chunk: 8 };
      const bad = performer(
        q,
        k,
        poisoned(v, Number.NaN, (_, j) => j >= 17),
        options,
      );
      const out = performer(q, k, v, options);
      for (let head = 0; head < 8; head++) {
        for (let n = 0; n < 17 * 5; n++) expect(bad.data[head * 150 + n]).toBeCloseTo(out.data[head * 150 + n]!, 5);
      }
    }));
  test("padding never reaches an output, not even through the largest exponent", () =>
    within(() => {
      const bad = (x: Tensor, value: number) => poisoned(x, value, (_, j) => j >= 20);
      const keyLengths = [20, 20];
      const out = performer(q, k, v, { keyLengths });
      for (const value of [Number.NaN, 40]) {
        expect(distance(performer(q, bad(k, value), bad(v, value), { keyLengths }), out)).toBe(0);
      }
    }));
  test("orthogonal rows stand at right angles within a block of headDim", () => {
    const w = drawProjection({ features: 10, headDim: 4, seed: 2 });
    for (let a = 0; a < 10; a++) {
      for (let b = 0; b < a; b++) {
        if (Math.floor(a / 4) !== Math.floor(b / 4)) continue;
        let dot = 0;
        for (let d = 0; d < 4; d++) dot += w.data[a * 4 + d]! * w.data[b * 4 + d]!;
        expect(Math.abs(dot)).toBeLessThan(1e-5);
      }
    }
  });
});

describe("linearAttention", () => {
  const rules = ["linear", "gated", "delta", "gated_delta"] as const;
  const shape = fc.record({
    L: fc.integer({ min: 1, max: 21 }),
    rule: fc.constantFrom(...rules),
    perRow: fc.boolean(),
    chunk: fc.integer({ min: 2, max: 9 }),
    state: fc.boolean(),
    group: fc.constantFrom(1, 2),
  });

  test("token by token, chunk by chunk and all at once give the same numbers, whatever the rule", () => {
    fc.assert(
      fc.property(shape, ({ L, rule, perRow, chunk, state, group }) =>
        within(() => {
          const [q, v] = [normal(1, 2, 2 * group, L, 4), normal(3, 2, 2, L, 3)];
          const k = unit(normal(2, 2, 2, L, 4)); // the delta rule is stable for keys of length 1
          const options: LinearAttentionOptions = { rule, chunk };
          if (rule.startsWith("gated")) options.decay = negative(perRow ? normal(4, 2, 2, L, 4) : normal(4, 2, 2, L));
          if (rule.endsWith("delta")) options.beta = between(normal(5, 2, 2, L));
          if (state) options.state = normal(6, 2, 2, 4, 3);
          const all = (["recurrent", "chunked", "parallel"] as const).map((form) =>
            linearAttention(q, k, v, { ...options, form, returnState: true }),
          );
          for (const other of all.slice(1)) {
            expect(distance(other.output, all[0]!.output)).toBeLessThanOrEqual(5e-6);
            expect(distance(other.state, all[0]!.state)).toBeLessThanOrEqual(5e-6);
          }
        }),
      ),
      { numRuns: 60, seed: 1729 },
    );
  });
  test("strong decay per row of the state neither overflows nor loses digits", () =>
    within(() => {
      const [q, k, v] = [normal(1, 1, 1, 40, 4), normal(2, 1, 1, 40, 4), normal(3, 1, 1, 40, 3)];
      const decay = tensor(
        normal(4, 1, 1, 40, 4).data.map((x) => -20 * Math.abs(x)),
        [1, 1, 40, 4],
      );
      const step = linearAttention(q, k, v, { rule: "gated", decay, form: "recurrent" });
      for (const form of ["chunked", "parallel"] as const) {
        expect(distance(linearAttention(q, k, v, { rule: "gated", decay, form }), step)).toBeLessThanOrEqual(tolerance);
      }
    }));
  test("the delta rule with β = 1 and a key of length 1 overwrites: the key then reads back its last value", () =>
    within(() => {
      const k = tensor([0.6, 0.8, 1, 0, 0.6, 0.8], [3, 2]);
      const v = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
      const out = linearAttention(k, k, v, { rule: "delta", scale: 1 });
      expect(out.data[4]).toBeCloseTo(5, 5);
      expect(out.data[5]).toBeCloseTo(6, 5);
      const added = linearAttention(k, k, v, { rule: "linear", scale: 1 }); // adding instead mixes old and new
      expect(added.data[4]).toBeCloseTo(1 + 0.6 * 3 + 5, 5);
    }));
  test("a state carried over is the same as one longer sequence", () =>
    within(() => {
      const [q, k, v] = [normal(1, 12, 4), normal(2, 12, 4), normal(3, 12, 3)];
      const part = (x: Tensor, from: number, to: number) =>
        tensor(x.data.slice(from * x.shape[1]!, to * x.shape[1]!), [to - from, x.shape[1]!]);
      const whole = linearAttention(q, k, v, { rule: "linear" });
      const { state } = linearAttention(part(q, 0, 7), part(k, 0, 7), part(v, 0, 7), {
        rule: "linear",
        returnState: true,
      });
      const rest = linearAttention(part(q, 7, 12), part(k, 7, 12), part(v, 7, 12), { rule: "linear", state });
      expect(distance(rest, part(whole, 7, 12))).toBeLessThanOrEqual(tolerance);
    }));
  test("elu: both directions and causal equal the sum written out", () =>
    within(() => {
      const [q, k, v] = [normal(1, 1, 1, 9, 4), normal(2, 1, 1, 9, 4), normal(3, 1, 1, 9, 3)];
      const phi = (x: number) => (x > 0 ? x + 1 : Math.exp(x));
      for (const causal of [false, true]) {
        const out = linearAttention(q, k, v, { causal, chunk: 4 });
        for (let i = 0; i < 9; i++) {
          const w = Array.from({ length: 9 }, (_, j) => {
            let s = 0;
            for (let d = 0; d < 4; d++) s += phi(q.data[i * 4 + d]!) * phi(k.data[j * 4 + d]!);
            return causal && j > i ? 0 : s;
          });
          const total = w.reduce((a, b) => a + b, 0);
          for (let d = 0; d < 3; d++) {
            const want = w.reduce((s, x, j) => s + (x / total) * v.data[j * 3 + d]!, 0);
            expect(out.data[i * 3 + d]).toBeCloseTo(want, 5);
          }
        }
      }
    }));
  test("NaN in a later token leaves earlier rows equal, and padding never reaches an output", () =>
    within(() => {
      const [q, k, v] = [normal(1, 1, 2, 20, 4), unit(normal(2, 1, 2, 20, 4)), normal(3, 1, 2, 20, 3)];
      const bad = (x: Tensor) => poisoned(x, Number.NaN, (_, j) => j >= 12);
      for (const options of [
        { causal: true },
        { rule: "delta" },
        { kernel: "softmax", causal: true },
      ] as LinearAttentionOptions[]) {
        const out = linearAttention(q, k, v, options);
        const later = linearAttention(q, bad(k), bad(v), options);
        for (let h = 0; h < 2; h++) {
          for (let n = 0; n < 36; n++) expect(later.data[h * 60 + n]).toBeCloseTo(out.data[h * 60 + n]!, 5);
        }
      }
      for (const options of [
        {},
        { causal: true },
        { kernel: "softmax" },
        { rule: "gated", decay: negative(normal(4, 1, 2, 20)) },
      ] as LinearAttentionOptions[]) {
        const padded = { ...options, keyLengths: [12] };
        expect(distance(linearAttention(q, bad(k), bad(v), padded), linearAttention(q, k, v, padded))).toBe(0);
      }
    }));
});

function unit(x: Tensor): Tensor {
  const D = x.shape.at(-1)!;
  const data = x.data.slice();
  for (let r = 0; r < x.size; r += D) {
    const length = Math.hypot(...data.subarray(r, r + D));
    for (let d = r; d < r + D; d++) data[d]! /= length;
  }
  return tensor(data, x.shape);
}
const negative = (x: Tensor) => tensor(x.data.map((y) => -Math.abs(y)), x.shape); // biome-ignore format: one line
const between = (x: Tensor) => tensor(x.data.map((y) => 1 / (1 + Math.exp(-y))), x.shape); // biome-ignore format: one line
