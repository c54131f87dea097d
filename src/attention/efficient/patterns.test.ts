import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { referenceKernel, withOperations } from "../../kernels/index.js";
import type { Tensor } from "../../tensor/index.js";
import { bigBird, fixed, longformer, type Mechanism, slidingWindow, streaming, strided, topKBlocks } from "./index.js";
import { distance, identity, masked, normal, poisoned } from "./testing.js";

const float32 = referenceKernel();
/** Sums of at most 40 products of numbers near 1, rounded once to float32 on either side. */
const tolerance = 2e-6;
const lengths = fc.integer({ min: 1, max: 23 });
const reach = fc.integer({ min: 0, max: 9 });
const runs = { numRuns: 40, seed: 1729 };

/** q with 4 heads, k and v with 2, two batch items. */
function operands(L: number, Lk = L): [q: Tensor, k: Tensor, v: Tensor] {
  return [normal(1, 2, 4, L, 6), normal(2, 2, 2, Lk, 6), normal(3, 2, 2, Lk, 5)];
}

/** Keys before `lengths[b]`, with a hole at 1, are real. */
const padding = (L: number) => {
  const real = (b: number, j: number) => j !== 1 && j < L - b;
  return {
    real,
    keyPadding: Array.from({ length: 2 }, (_, b) => Array.from({ length: L }, (_, j) => Number(real(b, j)))),
  };
};

/** A mechanism equals exact attention under its mask, with and without padding, for any length and option drawn. */
function equals<O>(
  mechanism: Mechanism<never>,
  options: fc.Arbitrary<O>,
  sees: (o: O & { causal?: boolean }, L: number) => (i: number, j: number, h: number, b: number) => boolean,
  causals: readonly (boolean | undefined)[] = [false, true],
): void {
  const run = mechanism as unknown as Mechanism<object>;
  test.each(causals)("equals attention under its mask, causal %s", (causal) => {
    fc.assert(
      fc.property(lengths, options, fc.boolean(), (L, drawn, padded) =>
        withOperations(float32, () => {
          const [q, k, v] = operands(L);
          const { real, keyPadding } = padding(L);
          const given = { ...drawn, ...(causal !== undefined && { causal }) };
          const pattern = sees(given, L);
          const got = run(q, k, v, { ...given, ...(padded && { keyPadding }) });
          const want = masked(
            q,
            k,
            v,
            (i, j, h, b) => (!causal || j <= i) && (!padded || real(b, j)) && pattern(i, j, h, b),
          );
          expect(distance(got, want)).toBeLessThanOrEqual(tolerance);
        }),
      ),
      runs,
    );
  });
  test("what stands in padding never reaches an output, even NaN", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(17);
      const { real, keyPadding } = padding(17);
      const [drawn] = fc.sample(options, { numRuns: 1, seed: 7 });
      const bad = (x: Tensor) => poisoned(x, Number.NaN, (b, j) => !real(b, j));
      const clean = run(q, k, v, { ...drawn!, keyPadding });
      expect(distance(run(q, bad(k), bad(v), { ...drawn!, keyPadding }), clean)).toBe(0);
    }));
  test("is linear in v: with the identity as v the output is the map", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(13);
      const [drawn] = fc.sample(options, { numRuns: 1, seed: 7 });
      const map = run(q, k, identity(2, 2, 13), drawn!);
      const out = run(q, k, v, drawn!);
      const through = masked(q, k, v, () => false); // same shape, to be filled
      for (let r = 0; r < 2 * 4 * 13; r++) {
        const head = Math.floor(r / 13);
        const kv = Math.floor(head / 4) * 2 + Math.floor((head % 4) / 2);
        for (let d = 0; d < 5; d++) {
          let sum = 0;
          for (let j = 0; j < 13; j++) sum += map.data[r * 13 + j]! * v.data[(kv * 13 + j) * 5 + d]!;
          through.data[r * 5 + d] = sum;
        }
      }
      expect(distance(out, through)).toBeLessThanOrEqual(tolerance);
    }));
  test("rank 2 and 3 give the numbers of rank 4", () =>
    withOperations(float32, () => {
      const [drawn] = fc.sample(options, { numRuns: 1, seed: 7 });
      const x = normal(9, 1, 1, 11, 6);
      const whole = run(x, x, x, drawn!);
      for (const shape of [
        [11, 6],
        [1, 11, 6],
      ]) {
        const y = x.reshape(shape);
        const out = run(y, y, y, drawn!);
        expect(out.shape).toEqual(shape);
        expect(distance(out, whole)).toBe(0);
      }
    }));
}

describe("slidingWindow", () => {
  const window = fc.record({ window: fc.record({ left: reach, right: reach }) });
  equals(slidingWindow, window, (o) => (i, j) => j >= i - o.window.left && j <= i + o.window.right);

  test("a window that reaches every key is exact attention", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(9);
      const all = { window: { left: 8, right: 8 } };
      expect(
        distance(
          slidingWindow(q, k, v, all),
          masked(q, k, v, () => true),
        ),
      ).toBeLessThanOrEqual(tolerance);
    }));
  test("fewer queries than keys are the last ones; upper-left makes them the first", () =>
    withOperations(float32, () => {
      const [q, k, v] = [operands(4)[0], ...operands(9).slice(1)] as [Tensor, Tensor, Tensor];
      const window = { left: 2, right: 0 };
      for (const [causal, offset] of [
        [true, 5],
        ["upper-left", 0],
      ] as const) {
        const want = masked(q, k, v, (i, j) => j <= i + offset && j >= i + offset - 2);
        expect(distance(slidingWindow(q, k, v, { window, causal }), want)).toBeLessThanOrEqual(tolerance);
      }
    }));
});

describe("strided", () => {
  const stride = fc.record({ stride: fc.integer({ min: 1, max: 9 }) });
  equals(strided, stride, (o) => (i, j) => Math.abs(i - j) < o.stride || (i - j) % o.stride === 0);

  test("a stride of the whole length is exact attention", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(9);
      expect(
        distance(
          strided(q, k, v, { stride: 9 }),
          masked(q, k, v, () => true),
        ),
      ).toBeLessThanOrEqual(tolerance);
    }));
});

describe("fixed", () => {
  const blocks = fc
    .integer({ min: 1, max: 7 })
    .chain((blockSize) =>
      fc.record({ blockSize: fc.constant(blockSize), summary: fc.integer({ min: 1, max: blockSize }) }),
    );
  equals(fixed, blocks, (o) => (i, j) => {
    const sameBlock = Math.floor(i / o.blockSize) === Math.floor(j / o.blockSize);
    return sameBlock || j % o.blockSize >= o.blockSize - o.summary;
  });

  test("one block, or a summary of whole blocks, is exact attention", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(9);
      const exact = masked(q, k, v, () => true);
      for (const options of [{ blockSize: 9 }, { blockSize: 3, summary: 3 }]) {
        expect(distance(fixed(q, k, v, options), exact)).toBeLessThanOrEqual(tolerance);
      }
    }));
});

describe("longformer", () => {
  const options = fc.record({
    window: fc.record({ left: reach, right: reach }),
    dilation: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant([1, 2, 2, 3])),
  });
  equals(longformer, options, (o) => (i, j, h) => {
    const d = typeof o.dilation === "number" ? o.dilation : o.dilation[h]!;
    return (i - j) % d === 0 && j >= i - o.window.left * d && j <= i + o.window.right * d;
  });

  const globals = [[0, 5], [3]]; // per batch item
  test.each([false, true])(
    "global tokens see all and are seen by all, once, with projections of their own; causal %s",
    (causal) =>
      withOperations(float32, () => {
        const [q, k, v] = operands(12);
        const own = {
          globalQuery: normal(4, 2, 4, 12, 6),
          globalKey: normal(5, 2, 2, 12, 6),
          globalValue: normal(6, 2, 2, 12, 5),
        };
        const got = longformer(q, k, v, { window: { left: 2, right: 1 }, globalTokens: globals, causal, ...own });
        const order = (i: number, j: number) => !causal || j <= i;
        const isGlobal = (b: number, i: number) => globals[b]!.includes(i);
        const near = (i: number, j: number) => j >= i - 2 && j <= i + 1;
        const plain = masked(q, k, v, (i, j, _, b) => order(i, j) && !isGlobal(b, i) && (near(i, j) || isGlobal(b, j)));
        const all = masked(
          own.globalQuery,
          own.globalKey,
          own.globalValue,
          (i, j, _, b) => order(i, j) && isGlobal(b, i),
        );
        for (let n = 0; n < plain.size; n++) plain.data[n]! += all.data[n]!; // each row is zeros in one of the two
        expect(distance(got, plain)).toBeLessThanOrEqual(tolerance);
      }),
  );
  test("every token global is exact attention", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(6);
      const out = longformer(q, k, v, { window: 0, globalTokens: [0, 1, 2, 3, 4, 5] });
      expect(
        distance(
          out,
          masked(q, k, v, () => true),
        ),
      ).toBeLessThanOrEqual(tolerance);
    }));
});

describe("bigBird", () => {
  const options = fc.record({ blockSize: fc.integer({ min: 1, max: 6 }), randomBlocks: fc.constant(0) });
  equals(bigBird, options, (o, L) => {
    const last = Math.ceil(L / o.blockSize) - 1;
    return (i, j) => {
      const [a, b] = [Math.floor(i / o.blockSize), Math.floor(j / o.blockSize)];
      return a === 0 || a === last || b === 0 || b === last || Math.abs(a - b) <= 1;
    };
  });

  test("a random block that is seen anyway counts once, or again when asked to", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(10);
      const randomBlocks = { data: Array.from({ length: 4 * 3 * 2 }, () => 0), shape: [4, 3, 2] };
      const pattern = bigBird(q, k, v, { blockSize: 2, randomBlocks: 0 });
      expect(distance(bigBird(q, k, v, { blockSize: 2, randomBlocks }), pattern)).toBeLessThanOrEqual(tolerance);
      // e^(s + ln 3): three times the weight
      const map = bigBird(q, k, identity(2, 2, 10), { blockSize: 2, randomBlocks: 0 });
      const counted = bigBird(q, k, identity(2, 2, 10), { blockSize: 2, randomBlocks, repeatedBlocks: "count" });
      const row = 4; // in a middle block of the first head
      const raw = Array.from({ length: 10 }, (_, j) => map.data[row * 10 + j]! * (j < 2 ? 3 : 1));
      const sum = raw.reduce((a, b) => a + b, 0);
      raw.forEach(
        (w, j) => void expect(Math.abs(counted.data[row * 10 + j]! - w / sum)).toBeLessThanOrEqual(tolerance),
      );
    }));
  test("drawn blocks are others than the pattern's, the same for the same seed", () =>
    withOperations(float32, () => {
      const x = normal(1, 1, 2, 40, 4);
      const kept = (seed: number) => {
        const map = bigBird(x, x, identity(1, 2, 40), { blockSize: 4, randomBlocks: 2, seed });
        return Array.from(map.data, (w) => (w > 0 ? 1 : 0));
      };
      const [a, again, other] = [kept(5), kept(5), kept(6)];
      expect(again).toEqual(a);
      expect(other).not.toEqual(a);
      for (let i = 0; i < 40; i++) {
        const block = Math.floor(i / 4);
        const blocks = a.slice(i * 40, (i + 1) * 40).filter((w) => w === 1).length / 4;
        expect(blocks).toBe(block === 0 || block === 9 ? 10 : block === 1 || block === 8 ? 4 + 2 : 5 + 2);
      }
    }));
});

describe("streaming", () => {
  const options = fc.record({ sinks: fc.integer({ min: 0, max: 5 }), window: fc.integer({ min: 1, max: 9 }) });
  equals(streaming, options, (o) => (i, j) => j <= i && (j < o.sinks || j > i - o.window), [undefined, true]);

  test("a cache that never fills is exact causal attention, turned or not", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(9);
      const want = masked(q, k, v, (i, j) => j <= i);
      expect(distance(streaming(q, k, v, { sinks: 2, window: 7 }), want)).toBeLessThanOrEqual(tolerance);
      const turned = streaming(q, k, v, { sinks: 2, window: 7, rotary: {} });
      expect(distance(turned, streaming(q, k, v, { sinks: 0, window: 9, rotary: {} }))).toBeLessThanOrEqual(tolerance);
    }));
  test("positions count inside the cache: a row equals the cache that a stream would hold then", () =>
    withOperations(float32, () => {
      const [q, k, v] = operands(20);
      const [sinks, window, i] = [2, 5, 15];
      const out = streaming(q, k, v, { sinks, window, rotary: { base: 100 } });
      const kept = [0, 1, 11, 12, 13, 14, 15]; // rows of the cache when token 15 is read, at positions 0 … 6
      const rows = (x: Tensor) => pick(x, kept);
      const cache = streaming(pick(q, new Array<number>(7).fill(i)), rows(k), rows(v), {
        sinks: 0,
        window: 7,
        rotary: { base: 100 },
      });
      expect(distance(pick(out, [i]), pick(cache, [6]))).toBeLessThanOrEqual(tolerance);
    }));
});

describe("topKBlocks", () => {
  const all = fc.record({ blockSize: fc.integer({ min: 1, max: 6 }), topK: fc.constant(30) });
  equals(topKBlocks, all, () => () => true);

  test("the own block and the best by the mean of its keys", () =>
    withOperations(float32, () => {
      const [q, k, v] = [normal(1, 1, 2, 22, 6), normal(2, 1, 2, 22, 6), normal(3, 1, 2, 22, 5)];
      for (const causal of [false, true]) {
        const chosen = (i: number, h: number): number[] => {
          const score = (block: number) => {
            let s = 0;
            const to = Math.min(22, block * 4 + 4);
            for (let j = block * 4; j < to; j++) {
              for (let d = 0; d < 6; d++)
                s += (q.data[(h * 22 + i) * 6 + d]! * k.data[(h * 22 + j) * 6 + d]!) / (to - block * 4);
            }
            return s;
          };
          const mine = Math.floor(i / 4);
          const others = [0, 1, 2, 3, 4, 5].filter((b) => (causal ? b < mine : b !== mine));
          return [mine, ...others.sort((a, b) => score(b) - score(a)).slice(0, 2)];
        };
        const want = masked(q, k, v, (i, j, h) => (!causal || j <= i) && chosen(i, h).includes(Math.floor(j / 4)));
        expect(distance(topKBlocks(q, k, v, { blockSize: 4, topK: 3, causal }), want)).toBeLessThanOrEqual(tolerance);
      }
    }));
});

/** Rows of every head. */
function pick(x: Tensor, rows: readonly number[]): Tensor {
  const [B, H, L, D] = x.shape as [number, number, number, number];
  const out = normal(0, B, H, rows.length, D);
  for (let head = 0; head < B * H; head++) {
    rows.forEach((row, n) => {
      const from = (head * L + row) * D;
      out.data.set(x.data.subarray(from, from + D), (head * rows.length + n) * D);
    });
  }
  return out;
}
