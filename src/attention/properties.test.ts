/** What attention must do whatever the numbers are. Sizes are small primes; kernels are the default one. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generator, normal } from "../../test/conformance/numbers.js";
import { type Tensor, tensor } from "../tensor/index.js";
import { attention, attentionGradient, attentionWeights } from "./index.js";
import type { AttentionOptions } from "./options.js";

const primes = fc.constantFrom(1, 2, 3, 5, 7, 11, 13);
const sizes = fc.record({
  seed: fc.integer(),
  B: fc.constantFrom(1, 2, 3),
  Hk: fc.constantFrom(1, 2, 3),
  group: fc.constantFrom(1, 2, 5),
  L: primes,
  more: fc.constantFrom(0, 1, 4, 17),
  D: primes,
  Dv: primes,
});

/** q [B, H, L, D], k [B, Hk, L + more, D], v [B, Hk, L + more, Dv] */
function draw({
  seed,
  B,
  Hk,
  group,
  L,
  more,
  D,
  Dv,
}: typeof sizes extends fc.Arbitrary<infer T> ? T : never): [Tensor, Tensor, Tensor] {
  return [
    normal(seed, [B, Hk * group, L, D]),
    normal(seed + 1, [B, Hk, L + more, D]),
    normal(seed + 2, [B, Hk, L + more, Dv]),
  ];
}

/** Rows from ≤ i < to of axis 2. */
const rows = (x: Tensor, from: number, to: number): Float32Array => {
  const [B, H, L, D] = x.shape;
  const out = new Float32Array(B * H * (to - from) * D);
  for (let n = 0; n < B * H; n++) out.set(x.data.subarray((n * L + from) * D, (n * L + to) * D), n * (to - from) * D);
  return out;
};
const close = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void => {
  expect(got.length).toBe(want.length);
  for (let n = 0; n < want.length; n++) expect(Math.abs(got[n] - want[n]), `at ${n}`).toBeLessThanOrEqual(tolerance);
};
/** Weights are at most 1 and values are below 5: a handful of roundings of numbers of that size. */
const TIGHT = 5 * 16 * 2 ** -24;

describe("attention", () => {
  test("the identity as v gives the map", () => {
    fc.assert(
      fc.property(sizes, fc.boolean(), (s, causal) => {
        const [q, k] = draw(s);
        const [B, H, Lk] = [k.shape[0], k.shape[1], k.shape[2]];
        const identity = Float32Array.from({ length: B * H * Lk * Lk }, (_, n) =>
          Math.floor(n / Lk) % Lk === n % Lk ? 1 : 0,
        );
        const out = attention(q, k, tensor(identity, [B, H, Lk, Lk]), { causal });
        close(out.data, attentionWeights(q, k, { causal }).data, TIGHT);
      }),
    );
  });

  test("rows of the map sum to 1", () => {
    fc.assert(
      fc.property(sizes, (s) => {
        const [q, k] = draw(s);
        const w = attentionWeights(q, k, { causal: true });
        const Lk = k.shape[2];
        for (let at = 0; at < w.size; at += Lk) {
          expect(w.data.subarray(at, at + Lk).reduce((x, y) => x + y, 0)).toBeCloseTo(1, 5);
        }
      }),
    );
  });

  test("causal: poisoning token j and later leaves rows before j equal bit for bit", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e30), (s, at, poison) => {
        const [q, k, v] = draw({ ...s, more: 0 });
        const j = at % s.L;
        const spoil = (x: Tensor): Tensor => {
          const [, , L, D] = x.shape;
          return tensor(
            x.data.map((n, place) => (Math.floor(place / D) % L >= j ? poison : n)),
            x.shape,
          );
        };
        const clean = attention(q, k, v, { causal: true });
        const spoiled = attention(spoil(q), spoil(k), spoil(v), { causal: true });
        expect(rows(spoiled, 0, j)).toEqual(rows(clean, 0, j));
      }),
    );
  });

  test("masked keys are as good as removed keys", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (s, cut) => {
        const [q, k, v] = draw(s);
        const keep = 1 + (cut % k.shape[2]);
        const short = (x: Tensor): Tensor => tensor(rows(x, 0, keep), [x.shape[0], x.shape[1], keep, x.shape[3]]);
        const masked = attention(q, k, v, { keyLengths: Array(s.B).fill(keep) });
        close(masked.data, attention(q, short(k), short(v)).data, TIGHT);
      }),
    );
  });

  test("permuting keys and mask columns together changes nothing", () => {
    fc.assert(
      fc.property(sizes, (s) => {
        const [q, k, v] = draw(s);
        const Lk = k.shape[2];
        const next = generator(s.seed);
        const order = Array.from({ length: Lk }, (_, j) => j).sort(() => next() - 0.5);
        const mask = Uint8Array.from({ length: s.L * Lk }, (_, n) => (n % Lk === 0 || next() < 0.6 ? 1 : 0)); // every row sees key 0
        const shuffle = (x: Tensor): Tensor => {
          const D = x.shape[3];
          return tensor(
            x.data.map(
              (_, at) => x.data[Math.floor(at / (Lk * D)) * Lk * D + order[Math.floor(at / D) % Lk] * D + (at % D)],
            ),
            x.shape,
          );
        };
        const shuffled = mask.map((_, n) => mask[Math.floor(n / Lk) * Lk + order[n % Lk]]);
        const want = attention(q, k, v, { mask: { data: mask, shape: [s.L, Lk] } });
        const got = attention(q, shuffle(k), shuffle(v), { mask: { data: shuffled, shape: [s.L, Lk] } });
        close(got.data, want.data, TIGHT);
      }),
    );
  });

  test("grouped heads equal heads repeated in contiguous groups", () => {
    fc.assert(
      fc.property(sizes, (s) => {
        const [q, k, v] = draw(s);
        const repeat = (x: Tensor): Tensor => {
          const [B, H, L, D] = x.shape;
          const out = new Float32Array(x.size * s.group);
          for (let head = 0; head < B * H * s.group; head++) {
            const from = Math.floor(head / s.group) * L * D;
            out.set(x.data.subarray(from, from + L * D), head * L * D);
          }
          return tensor(out, [B, H * s.group, L, D]);
        };
        close(
          attention(q, k, v, { causal: true }).data,
          attention(q, repeat(k), repeat(v), { causal: true }).data,
          TIGHT,
        );
      }),
    );
  });

  test("a row alone, with its position, equals that row of the whole, bit for bit or to rounding", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (s, at) => {
        const [q, k, v] = draw(s);
        const i = at % s.L;
        const one = tensor(rows(q, i, i + 1), [q.shape[0], q.shape[1], 1, s.D]);
        const options: AttentionOptions = { causal: true, window: { left: 4 } };
        const whole = attention(q, k, v, options);
        close(attention(one, k, v, { ...options, queryOffset: s.more + i }).data, rows(whole, i, i + 1), TIGHT);
      }),
    );
  });

  test("axes left out are axes of 1, in results too", () => {
    const [q, k, v] = [normal(1, [5, 3]), normal(2, [7, 3]), normal(3, [7, 2])];
    const wide = attention(q.reshape([1, 1, 5, 3]), k.reshape([1, 1, 7, 3]), v.reshape([1, 1, 7, 2]), { causal: true });
    const two = attention(q, k, v, { causal: true, returnLse: true });
    expect([two.output.shape, two.lse.shape]).toEqual([[5, 2], [5]]);
    expect(two.output.data).toEqual(wide.data);
    expect(attention(q.reshape([1, 5, 3]), k.reshape([1, 7, 3]), v.reshape([1, 7, 2])).shape).toEqual([1, 5, 2]);
    const slopes = attentionGradient(q, k, v, two.output, { causal: true });
    expect([slopes.dq.shape, slopes.dk.shape, slopes.dv.shape]).toEqual([
      [5, 3],
      [7, 3],
      [7, 2],
    ]);
  });

  test("onnxruntime's tensors, with dims, are taken as they are", () => {
    const x = { data: new Float32Array([1, 0, 0, 1]), dims: [2, 2] };
    expect(attention(x, x, x, { scale: 1 }).data[0]).toBeCloseTo(Math.E / (Math.E + 1), 6);
  });

  test("a batch item that is all padding gives zeros and leaves the others alone", () => {
    const [q, k, v] = [normal(1, [2, 3, 5, 7]), normal(2, [2, 3, 5, 7]), normal(3, [2, 3, 5, 7])];
    const { output, lse } = attention(q, k, v, {
      keyPadding: [
        [0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1],
      ],
      returnLse: true,
    });
    expect(output.data.subarray(0, 3 * 5 * 7).every((x) => x === 0)).toBe(true);
    expect(lse.data.subarray(0, 15).every((x) => x === Number.NEGATIVE_INFINITY)).toBe(true);
    expect(output.data.subarray(3 * 5 * 7)).toEqual(attention(q, k, v).data.subarray(3 * 5 * 7));
  });
});

describe("a rule as a function", () => {
  test("maskMod equals the same rule as bytes, over several panels", () => {
    const [q, k, v] = [normal(1, [2, 3, 301, 8]), normal(2, [2, 3, 307, 8]), normal(3, [2, 3, 307, 8])]; // 1.8 million pairs: seven panels
    const maskMod = (b: number, h: number, i: number, j: number): boolean => (i * 7 + j * 3 + h + b) % 5 < 2;
    const data = Uint8Array.from({ length: 2 * 3 * 301 * 307 }, (_, n) =>
      maskMod(Math.floor(n / (3 * 301 * 307)), Math.floor(n / (301 * 307)) % 3, Math.floor(n / 307) % 301, n % 307)
        ? 1
        : 0,
    );
    const more: AttentionOptions = { causal: true, keyLengths: [300, 200], alibi: true, bias: normal(4, [301, 307]) };
    const want = attention(q, k, v, { ...more, mask: { data, shape: [2, 3, 301, 307] }, returnLse: true });
    const got = attention(q, k, v, { ...more, maskMod, returnLse: true });
    expect(got.output.shape).toEqual([2, 3, 301, 8]);
    close(got.output.data, want.output.data, TIGHT);
    want.lse.data.forEach((x, n) => expect(got.lse.data[n] === x || Math.abs(got.lse.data[n] - x) < 1e-5).toBe(true));
  });

  test("maskMod agrees between output, map and slopes, also with documents and blocks", () => {
    const [q, k, v] = [normal(1, [1, 2, 13, 4]), normal(2, [1, 2, 13, 4]), normal(3, [1, 2, 13, 4])];
    const maskMod = (_b: number, h: number, i: number, j: number): boolean => (i + j + h) % 2 === 0;
    const documentIds = [0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0];
    const blockMask = { data: [1, 0, 1, 1], shape: [2, 2], blockSize: 7 };
    const bytes = Uint8Array.from({ length: 2 * 169 }, (_, n) =>
      maskMod(0, Math.floor(n / 169), Math.floor(n / 13) % 13, n % 13) ? 1 : 0,
    );
    const byFunction = { maskMod, documentIds, blockMask };
    const byBytes = { mask: { data: bytes, shape: [2, 13, 13] }, documentIds, blockMask };
    close(attention(q, k, v, byFunction).data, attention(q, k, v, byBytes).data, TIGHT);
    close(attentionWeights(q, k, byFunction).data, attentionWeights(q, k, byBytes).data, TIGHT);
    const [a, b] = [byFunction, byBytes].map((o) => attentionGradient(q, k, v, v, o));
    for (const name of ["dq", "dk", "dv"] as const) close(a[name].data, b[name].data, 10 * TIGHT);
  });

  test("scoreMod that adds a bias equals the bias", () => {
    const [q, k, v] = [normal(1, [1, 2, 5, 4]), normal(2, [1, 2, 7, 4]), normal(3, [1, 2, 7, 4])];
    const bias = normal(4, [2, 5, 7]);
    const scoreMod = (s: number, _b: number, h: number, i: number, j: number): number =>
      s + bias.data[(h * 5 + i) * 7 + j];
    close(attention(q, k, v, { scoreMod }).data, attention(q, k, v, { bias }).data, TIGHT);
    close(attentionWeights(q, k, { scoreMod }).data, attentionWeights(q, k, { bias }).data, TIGHT);
  });
});

describe("dropout", () => {
  const [q, k, v] = [normal(1, [1, 2, 64, 8]), normal(2, [1, 2, 64, 8]), normal(3, [1, 2, 64, 8])];
  test("the same seed drops the same weights, another seed others", () => {
    const once = attention(q, k, v, { dropout: { rate: 0.2, seed: 5 } });
    expect(attention(q, k, v, { dropout: { rate: 0.2, seed: 5 } }).data).toEqual(once.data);
    expect(attention(q, k, v, { dropout: { rate: 0.2, seed: 6 } }).data).not.toEqual(once.data);
    expect(attention(q, k, v, { dropout: 0 }).data).toEqual(attention(q, k, v).data);
  });
  test("the mean over many seeds is the output without dropout", () => {
    const want = attention(q, k, v);
    const sum = new Float64Array(want.size);
    const seeds = 200;
    for (let seed = 0; seed < seeds; seed++) {
      attention(q, k, v, { dropout: { rate: 0.3, seed } }).data.forEach((x, n) => void (sum[n] += x / seeds));
    }
    let square = 0;
    want.data.forEach((x, n) => void (square += (sum[n] - x) ** 2 / want.size));
    // One output's variance: Σ p²v²·rate/(1−rate) ≤ max p · 0.43 · v² ~ 0.1; over 200 seeds its root is about 0.02.
    expect(Math.sqrt(square)).toBeLessThan(0.03);
  });
});
