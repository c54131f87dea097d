/** Every refusal says which argument, which axis, what came, what was needed, and where there is one, the way out. */
import { afterEach, describe, expect, test } from "vitest";
import { errorMessage, type Tensor, tensor, zeros } from "../tensor/index.js";
import {
  attention,
  attentionGradient,
  attentionWeights,
  attend,
  headsOf,
  KeyValueCache,
  mergeHeads,
  onWarning,
  relativeBias,
  rope,
  splitHeads,
} from "./index.js";
import type { AttentionOptions } from "./options.js";

const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};
const q = zeros([2, 8, 7, 64]);
const k = zeros([2, 4, 5, 64]);
const v = zeros([2, 4, 5, 16]);
const shapes = (a: number[], b: number[], c: number[]): string =>
  message(() => attention(zeros(a), zeros(b), zeros(c)));

describe("operands", () => {
  test.each<[string, number[], number[], number[], string]>([
    [
      "k of another head size",
      [2, 8, 7, 64],
      [2, 8, 5, 32],
      [2, 8, 5, 32],
      "attention: k has headDim 32 in [2, 8, 5, 32]; expected headDim 64, as in q [2, 8, 7, 64]. Fix: project k to 64 per head before splitHeads.",
    ],
    [
      "k of another batch",
      [2, 8, 7, 64],
      [1, 8, 5, 64],
      [2, 8, 5, 64],
      "attention: k has batch 1 in [1, 8, 5, 64]; expected batch 2, as in q [2, 8, 7, 64]. Fix: give every operand the same batch items; repeat the one that serves all.",
    ],
    [
      "v of another batch",
      [2, 8, 7, 64],
      [2, 8, 5, 64],
      [3, 8, 5, 64],
      "attention: v has batch 3 in [3, 8, 5, 64]; expected batch 2, as in q [2, 8, 7, 64]. Fix: give every operand the same batch items; repeat the one that serves all.",
    ],
    [
      "key heads that do not divide the heads",
      [2, 8, 7, 64],
      [2, 3, 5, 64],
      [2, 3, 5, 64],
      "attention: k has heads 3 in [2, 3, 5, 64]; expected a divisor of 8, the heads of q [2, 8, 7, 64]. Fix: give k and v as many heads as q, or one per group of query heads.",
    ],
    [
      "more key heads than heads",
      [2, 4, 7, 64],
      [2, 8, 5, 64],
      [2, 8, 5, 64],
      "attention: k has heads 8 in [2, 8, 5, 64]; expected a divisor of 4, the heads of q [2, 4, 7, 64]. Fix: give k and v as many heads as q, or one per group of query heads.",
    ],
    [
      "v of other heads",
      [2, 8, 7, 64],
      [2, 4, 5, 64],
      [2, 8, 5, 64],
      "attention: v has heads 8 in [2, 8, 5, 64]; expected heads 4, as in k [2, 4, 5, 64]. Fix: k and v are split into the same heads.",
    ],
    [
      "v of another length",
      [2, 8, 7, 64],
      [2, 8, 5, 64],
      [2, 8, 6, 64],
      "attention: v has length 6 in [2, 8, 6, 64]; expected length 5, as in k [2, 8, 5, 64]. Fix: every key needs its value: cut or pad both alike.",
    ],
    [
      "k with other axes",
      [2, 8, 7, 64],
      [8, 5, 64],
      [2, 8, 5, 64],
      "attention: k has 3 axes in [8, 5, 64]; expected 4 axes, as in q [2, 8, 7, 64]. Fix: give q, k and v the same axes; splitHeads turns [batch, length, heads·headDim] into four.",
    ],
    [
      "q of one axis",
      [64],
      [64],
      [64],
      "attention: q has 1 axes in [64]; expected 2, 3 or 4: [length, headDim], [heads, length, headDim] or [batch, heads, length, headDim]. Fix: reshape one token to [1, headDim].",
    ],
    [
      "q of five axes",
      [1, 1, 1, 2, 3],
      [1, 1, 1, 2, 3],
      [1, 1, 1, 2, 3],
      "attention: q has 5 axes in [1, 1, 1, 2, 3]; expected 2, 3 or 4: [length, headDim], [heads, length, headDim] or [batch, heads, length, headDim].",
    ],
    [
      "heads of size 0",
      [1, 1, 2, 0],
      [1, 1, 2, 0],
      [1, 1, 2, 3],
      "attention: q has headDim 0 in [1, 1, 2, 0]; expected headDim of at least 1.",
    ],
  ])("%s", (_, a, b, c, want) => expect(shapes(a, b, c)).toBe(want));

  test.each([
    ["k", 0, 2], ["k", 1, 3], ["k", 3, 65], ["v", 0, 3], ["v", 1, 3], ["v", 2, 6],
  ] as const)("%s with axis %i of length %i is named by its argument and its axis", (argument, axis, length) => {
    const wrong = { q: [1, 4, 7, 64], k: [1, 2, 5, 64], v: [1, 2, 5, 16] };
    wrong[argument][axis] = length;
    const said = shapes(wrong.q, wrong.k, wrong.v);
    expect(said).toContain(`attention: ${argument} has ${["batch", "heads", "length", "headDim"][axis]} ${length} in [${wrong[argument].join(", ")}]; expected`);
    expect(said).toContain(". Fix: ");
  }); // biome-ignore format: a table
  test("a length that may be any is no error: keys, values' width", () => {
    expect(shapes([1, 4, 7, 64], [1, 2, 9, 64], [1, 2, 9, 3])).toBe("no error");
    expect(shapes([1, 4, 0, 64], [1, 2, 0, 64], [1, 2, 0, 3])).toBe("no error");
  });

  test("no tensor at all", () => {
    expect(message(() => attention([[1]] as never, k, v))).toBe(
      "attention: q is an array; expected a tensor, or an object { data, shape }. Fix: wrap it: tensor(numbers, shape).",
    );
    expect(message(() => attention(q, null as never, v))).toBe(
      "attention: k is null; expected a tensor, or an object { data, shape }. Fix: wrap it: tensor(numbers, shape).",
    );
    expect(message(() => attention(q, k, undefined as never))).toBe(
      "attention: v is undefined; expected a tensor, or an object { data, shape }. Fix: wrap it: tensor(numbers, shape).",
    );
  });
  test("dOut of another shape", () =>
    expect(message(() => attentionGradient(q, k, v, zeros([2, 8, 7, 64])))).toBe(
      "attentionGradient: dOut has shape [2, 8, 7, 64]; expected [2, 8, 7, 16], the shape of the output.",
    ));
});

describe("options", () => {
  const ten = { data: new Uint8Array(10), shape: [2, 5] };
  test.each<[string, AttentionOptions, string]>([
    [
      "mask of another length",
      { mask: { data: new Uint8Array(12), shape: [2, 1, 1, 6] } },
      "attention: mask has 6 on axis 3 of [2, 1, 1, 6]; expected 5 or 1, to broadcast to [2, 8, 7, 5] = [batch, heads, queries, keys].",
    ],
    [
      "a key padding mask of [B, Lk] as mask",
      { mask: ten },
      "attention: mask has 2 on axis 0 of [2, 5]; expected 7 or 1, to broadcast to [2, 8, 7, 5] = [batch, heads, queries, keys].",
    ],
    [
      "mask of five axes",
      { mask: { data: new Uint8Array(1), shape: [1, 1, 1, 1, 1] } },
      "attention: mask has 5 axes in [1, 1, 1, 1, 1]; expected at most 4, to broadcast to [2, 8, 7, 5] = [batch, heads, queries, keys].",
    ],
    [
      "mask whose shape lies",
      { mask: { data: new Uint8Array(3), shape: [1, 5] } },
      "attention: mask has 3 numbers; expected 5, the product of its shape [1, 5].",
    ],
    [
      "an additive mask as mask",
      { mask: { data: [0, 0, -1e9, 0, 0], shape: [1, 5] } },
      "attention: mask holds -1000000000 at 2; expected only 0 and 1, where 1 = may attend. Fix: pass numbers that are added to the scores as bias.",
    ],
    [
      "bias of another shape",
      { bias: zeros([3, 7, 5]) },
      "attention: bias has 3 on axis 0 of [3, 7, 5]; expected 8 or 1, to broadcast to [2, 8, 7, 5] = [batch, heads, queries, keys].",
    ],
    [
      "a relative bias made for other lengths",
      { bias: relativeBias(zeros([32, 8]), { queries: 3, keys: 5, bidirectional: true }) },
      "attention: bias is a view that reads numbers -4 to 55 of 56; expected one made for [2, 8, 7, 5] = [batch, heads, queries, keys]. Fix: make it with relativeBias(…, { queries: 7, keys: 5 }).",
    ],
    [
      "too few key lengths",
      { keyLengths: [5] },
      "attention: options.keyLengths has 1 numbers; expected 2, one per batch item.",
    ],
    [
      "a key length past the keys",
      { keyLengths: [5, 6] },
      "attention: options.keyLengths[1] is 6; expected 0 to 5, the number of keys.",
    ],
    ["half a key", { keyLengths: [5, 2.5] }, "attention: options.keyLengths[1] is 2.5; expected a whole number."],
    [
      "key padding of another length",
      {
        keyPadding: [
          [1, 1],
          [1, 1],
        ],
      },
      "attention: options.keyPadding has length 2 in [2, 2]; expected [2, 5], one row per batch item.",
    ],
    [
      "key padding of another batch",
      { keyPadding: { data: new Uint8Array(15), shape: [3, 5] } },
      "attention: options.keyPadding has batch 3 in [3, 5]; expected [2, 5], one row per batch item.",
    ],
    [
      "ragged key padding",
      {
        keyPadding: [
          [1, 1, 1, 1, 1],
          [1, 1],
        ],
      },
      "attention: options.keyPadding[1] has 2 numbers; expected 5, as in the first row. Fix: pad the rows to one length.",
    ],
    [
      "documents that do not reach the queries",
      { documentIds: [0, 0, 0, 0, 0] },
      "attention: options.documentIds says nothing about queries at positions -2 to 4; expected positions 0 to 4, those of the keys. Fix: give { query: [batch, queries], key: [batch, keys] }.",
    ],
    [
      "a window as a number",
      { window: 4 as never },
      "attention: options.window is 4; expected { left, right }, both inclusive. Fix: for 4 keys that end at the query give { left: 3, right: 0 }.",
    ],
    [
      "a negative window",
      { window: { left: -1 } },
      "attention: options.window.left is -1; expected a whole number ≥ 0, or null for no limit.",
    ],
    [
      "an unknown corner",
      { causal: "bottom-right" as never },
      'attention: options.causal is "bottom-right"; expected true, false, "lower-right" or "upper-left".',
    ],
    ["chunk 0", { chunk: 0 }, "attention: options.chunk is 0; expected a whole number of positions ≥ 1."],
    [
      "a block mask that fits no size",
      { blockMask: { data: [1, 1, 1, 1], shape: [2, 2] } },
      "attention: options.blockMask.blockSize is undefined; expected a whole number ≥ 1; no single block size makes [2, 2] of 7 queries and 5 keys. Fix: give { data, shape, blockSize }.",
    ],
    [
      "a block mask of other blocks",
      { blockMask: { data: [1, 1, 1, 1], shape: [2, 2], blockSize: 2 } },
      "attention: options.blockMask has 2 on axis 0 of [2, 2]; expected 4 or 1, to broadcast to [2, 8, 4, 3] = [batch, heads, query blocks, key blocks] of 2.",
    ],
    ["scale NaN", { scale: Number.NaN }, "attention: options.scale is NaN; expected a finite number."],
    ["a negative softcap", { softcap: -1 }, "attention: options.softcap is -1; expected a number > 0; 0 is none."],
    ["too few slopes", { alibi: [0.5] }, "attention: options.alibi has 1 slopes; expected 8, one per head."],
    [
      "sinks of another size",
      { sinks: [1, 2, 3] },
      "attention: options.sinks has shape [3]; expected [8], one per head.",
    ],
    ["dropout 1", { dropout: 1 }, "attention: options.dropout is 1; expected a share from 0 up to, not including, 1."],
    [
      "offsets that differ under ALiBi",
      { alibi: true, queryOffset: [0, 1] },
      "attention: options.queryOffset differs between batch items: 0, 1; expected one number where alibi is used. Fix: call once per batch item.",
    ],
    [
      "rows that see nothing, where that is an error",
      { causal: true, onEmptyRow: "error" },
      'attention: options.onEmptyRow "error" met 32 of 112 rows, first at batch 0, head 0, query 0, that may attend to nothing; expected a key for every query. Fix: let each query see itself, or take zeros for such rows with onEmptyRow: "zeros".',
    ],
  ])("%s", (_, options, want) => expect(message(() => attention(q, k, v, options))).toBe(want));

  test("a part outside the map", () =>
    expect(message(() => attentionWeights(q, k, { rows: [3, 8] }))).toBe(
      "attentionWeights: options.rows is [3, 8]; expected [from, to] with 0 ≤ from ≤ to ≤ 7, the queries.",
    ));
  test("attention within a model says which one", () =>
    expect(
      message(() => attend({ kind: "self", layer: 3 }, { q: headsOf(q), k: headsOf(zeros([2, 8, 5, 32])), v })),
    ).toBe(
      "self attention of layer 3: k has headDim 32 in [2, 8, 5, 32]; expected headDim 64, as in q [2, 8, 7, 64]. Fix: project k to 64 per head before splitHeads.",
    ));
});

describe("heads, positions and cache", () => {
  test("heads that do not divide the width", () =>
    expect(message(() => splitHeads(zeros([2, 5, 10]), 3))).toBe(
      "splitHeads: heads is 3; expected a number that divides the width 10 of x [2, 5, 10].",
    ));
  test("splitting what is split", () =>
    expect(message(() => splitHeads(q, 8))).toBe(
      "splitHeads: x has 4 axes in [2, 8, 7, 64]; expected 3: [batch, length, heads · headDim].",
    ));
  test("merging what is merged", () =>
    expect(message(() => mergeHeads(zeros([2, 5, 10])))).toBe(
      "mergeHeads: x has 3 axes in [2, 5, 10]; expected 4: [batch, heads, length, headDim].",
    ));
  test("an odd number of numbers to turn", () =>
    expect(message(() => rope(zeros([2, 5]), 0))).toBe("rope: options.dim is 5; expected an even whole number."));
  test("positions of another length", () =>
    expect(message(() => rope(zeros([2, 4]), [1, 2, 3]))).toBe(
      "rope: positions has shape [3]; expected [2] or [1, 2].",
    ));
  test("a table of other buckets", () =>
    expect(message(() => relativeBias(zeros([31, 8]), { queries: 1, keys: 1, bidirectional: true }))).toBe(
      "relativeBias: table has shape [31, 8]; expected [32, heads], a row per bucket.",
    ));
  test("another batch in a cache", () => {
    const cache = new KeyValueCache();
    cache.append(zeros([1, 2, 3, 4]), zeros([1, 2, 3, 4]));
    expect(message(() => cache.append(zeros([2, 2, 3, 4]), zeros([2, 2, 3, 4])))).toBe(
      "KeyValueCache: k has shape [2, 2, 3, 4]; expected [1, 2, 3, 4], as what the cache holds. Fix: clear() before another batch.",
    );
  });
});

describe("warnings", () => {
  const before = onWarning(() => {});
  afterEach(() => void onWarning(before));
  test("a mask that empties rows is told as data, with the likely cause", () => {
    const told: string[] = [];
    onWarning((w) => told.push(errorMessage({ ...w, where: `${w.where} (warning)` })));
    const mask = { data: Uint8Array.from({ length: 35 }, (_, n) => (n < 30 ? 1 : 0)), shape: [7, 5] };
    attention(q, k, v, { mask });
    attention(q, k, v, { causal: true }); // rows before the first key are meant
    expect(told).toEqual([
      "attention (warning): mask leaves no key in 16 of 112 rows, first at batch 0, head 0, query 6; they give zeros. Fix: if true meant padding, pass the negation: here true = may attend.",
    ]);
  });

  const toldBy = (run: () => unknown): string[] => {
    const told: string[] = [];
    onWarning((w) => told.push(errorMessage({ ...w, where: `${w.where} (warning)` })));
    run();
    return told;
  };
  const poisoned = (shape: number[], place: number[], value = Number.NaN): Tensor => {
    const x = zeros(shape);
    x.data[place.reduce((at, n, axis) => at * shape[axis] + n, 0)] = value;
    return x;
  };
  const spread = "every row that reads it gives NaN, first at batch 1, head";
  const fix = "Fix: look at what made it; a place that is only padding is left out with keyPadding or mask.";
  test.each<[string, () => unknown, string]>([
    [
      "q",
      () => attention(poisoned([2, 8, 7, 64], [1, 3, 6, 9]), k, v),
      `attention (warning): q holds NaN at batch 1, head 3, query 6; ${spread} 3, query 6. ${fix}`,
    ],
    [
      "k, seen from the third query on",
      () => attention(q, poisoned([2, 4, 5, 64], [1, 2, 0, 9]), v, { causal: true }),
      `attention (warning): k holds NaN at batch 1, head 2, key 0; ${spread} 4, query 2. ${fix}`,
    ],
    [
      "v, Infinity against Infinity",
      () =>
        attention(
          q,
          k,
          tensor(
            v.data.map((_, n) => (n === 320 ? Infinity : n === 336 ? -Infinity : 0)),
            v.shape,
          ),
        ),
      `attention (warning): v holds Infinity at batch 1, head 0, key 0; ${spread} 0, query 0. ${fix}`,
    ],
    [
      "bias",
      () => attention(q, k, v, { bias: poisoned([2, 1, 7, 5], [1, 0, 4, 2]) }),
      `attention (warning): bias holds NaN at batch 1, head 0, query 4, key 2; ${spread} 0, query 4. ${fix}`,
    ],
    [
      "a score function",
      () => attention(q, k, v, { scoreMod: (s, b, h) => (b === 1 && h === 5 ? s / 0 : s) }),
      `attention (warning): a score is too large for float32, or a score function made it NaN; ${spread} 5, query 0. ${fix}`,
    ],
    [
      "the map of a part of the rows",
      () => attentionWeights(poisoned([2, 8, 7, 64], [1, 3, 6, 9]), k, { rows: [4, 7] }),
      `attentionWeights (warning): q holds NaN at batch 1, head 3, query 6; ${spread} 3, query 6. ${fix}`,
    ],
  ])("NaN in %s is told where it came in", (_, run, want) => expect(toldBy(run)).toEqual([want]));
  test("NaN that is masked is no matter", () =>
    expect(toldBy(() => attention(q, poisoned([2, 4, 5, 64], [1, 2, 4, 9]), v, { keyLengths: [5, 4] }))).toEqual([]));
});
