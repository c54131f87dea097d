import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attentionRule, describeMask, fromCumulativeLengths, maskTensor } from "./index.js";
import type { RuleOptions } from "./options.js";

const picture = (options: RuleOptions, queries: number, keys: number): string =>
  String(describeMask(options, { queries, keys })).split("\n").slice(1).join("\n");

describe("pictures of the rules: rows are queries, columns keys, ■ = may attend", () => {
  test("causal = lower right: the last query sees the last key", () =>
    expect(picture({ causal: true }, 3, 5)).toBe("■ ■ ■ · ·\n■ ■ ■ ■ ·\n■ ■ ■ ■ ■"));
  test("upper left", () => expect(picture({ causal: "upper-left" }, 3, 5)).toBe("■ · · · ·\n■ ■ · · ·\n■ ■ ■ · ·"));
  test("queryOffset wins over the corner", () =>
    expect(picture({ causal: "upper-left", queryOffset: 1 }, 3, 5)).toBe("■ ■ · · ·\n■ ■ ■ · ·\n■ ■ ■ ■ ·"));
  test("a negative queryOffset leaves first queries without a key", () =>
    expect(picture({ causal: true, queryOffset: -1 }, 3, 3)).toBe("· · ·\n■ · ·\n■ ■ ·"));
  test("more queries than keys, lower right: leading rows are empty", () =>
    expect(picture({ causal: true }, 4, 2)).toBe("· ·\n· ·\n■ ·\n■ ■"));
  test("window left 1, right 0 = the query's own key and one before", () =>
    expect(picture({ window: { left: 1, right: 0 } }, 4, 4)).toBe("■ · · ·\n■ ■ · ·\n· ■ ■ ·\n· · ■ ■"));
  test("a window counts from queryOffset", () =>
    expect(picture({ window: { left: 0, right: 0 }, queryOffset: 1 }, 3, 5)).toBe("· ■ · · ·\n· · ■ · ·\n· · · ■ ·"));
  test("an open side: null, Infinity or nothing", () => {
    const open = "· ■ ■\n· · ■\n· · ·";
    for (const right of [null, Number.POSITIVE_INFINITY, undefined]) {
      expect(picture({ window: { left: 0, right }, queryOffset: 1 }, 3, 3)).toBe(open);
    }
  });
  test("chunk", () => expect(picture({ causal: true, chunk: 2 }, 4, 4)).toBe("■ · · ·\n■ ■ · ·\n· · ■ ·\n· · ■ ■"));
  test("chunks count from position 0, before it too", () =>
    expect(picture({ chunk: 2, queryOffset: -1 }, 3, 3)).toBe("· · ·\n■ ■ ·\n■ ■ ·"));
  test("prefix: seen by all, causal after it", () =>
    expect(picture({ prefixLength: 2 }, 4, 4)).toBe("■ ■ · ·\n■ ■ · ·\n■ ■ ■ ·\n■ ■ ■ ■"));
  test("documents in order", () =>
    expect(picture({ documentIds: fromCumulativeLengths([0, 2, 5]) }, 5, 5)).toBe(
      "■ ■ · · ·\n■ ■ · · ·\n· · ■ ■ ■\n· · ■ ■ ■\n· · ■ ■ ■",
    ));
  test("documents out of order", () => expect(picture({ documentIds: [0, 1, 0] }, 3, 3)).toBe("■ · ■\n· ■ ·\n■ · ■"));
  test("documents of the last queries of a cache", () =>
    expect(picture({ documentIds: [0, 0, 1, 1] }, 2, 4)).toBe("· · ■ ■\n· · ■ ■"));
  test("padding at the left, in the middle, at the right", () =>
    expect(picture({ keyPadding: [[0, 1, 0, 1, 0]] }, 1, 5)).toBe("· ■ · ■ ·"));
  test("blocks of 2", () =>
    expect(picture({ blockMask: { data: [1, 0, 1, 1], shape: [2, 2] } }, 4, 4)).toBe(
      "■ ■ · ·\n■ ■ · ·\n■ ■ ■ ■\n■ ■ ■ ■",
    ));
  test("all of them intersect", () =>
    expect(
      picture(
        { causal: true, window: { left: 2 }, keyLengths: [4], maskMod: (_b, _h, q, kv) => (q + kv) % 2 === 0 },
        5,
        5,
      ),
    ).toBe("■ · · · ·\n· ■ · · ·\n■ · ■ · ·\n· ■ · ■ ·\n· · ■ · ·"));
  test("a large mask is drawn in cells, ◧ where some of a cell may attend, and says what it keeps", () => {
    const lines = String(describeMask({ causal: true }, { queries: 128, keys: 128 })).split("\n");
    expect(lines[0]).toBe("[1, 1, 128, 128], 50.4 % kept");
    expect(lines).toHaveLength(33);
    expect(lines[2]).toBe(["■", "◧", ...Array(30).fill("·")].join(" "));
  });
  test("empty rows are named", () => {
    const mask = describeMask({ causal: true }, { queries: 4, keys: 2, heads: 2 });
    expect([mask.empty, mask.emptyRows]).toEqual([
      4,
      [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [0, 1, 1],
      ],
    ]);
    expect(String(mask).split("\n")[0]).toBe("[1, 2, 4, 2], 37.5 % kept, 4 of 8 rows see nothing");
  });
});

describe("rules agree with their definition, pair by pair", () => {
  const option = <T>(a: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(a, { nil: undefined });
  test("any combination of causal, offset, window, chunk, prefix, lengths, padding and documents", () => {
    fc.assert(
      fc.property(
        fc.record({
          B: fc.integer({ min: 1, max: 3 }),
          Lq: fc.integer({ min: 0, max: 7 }),
          Lk: fc.integer({ min: 0, max: 9 }),
          causal: option(fc.constantFrom(true, false, "upper-left" as const, "lower-right" as const)),
          offset: option(fc.integer({ min: -5, max: 9 })),
          left: option(fc.integer({ min: 0, max: 5 })),
          right: option(fc.integer({ min: 0, max: 5 })),
          window: fc.boolean(),
          chunk: option(fc.integer({ min: 1, max: 5 })),
          prefix: option(fc.integer({ min: 0, max: 9 })),
          lengths: option(fc.array(fc.nat(9), { minLength: 3, maxLength: 3 })),
          padding: option(fc.array(fc.boolean(), { minLength: 27, maxLength: 27 })),
          documents: option(fc.array(fc.nat(2), { minLength: 48, maxLength: 48 })),
        }),
        (g) => {
          const { B, Lq, Lk } = g;
          const lengths = g.lengths?.slice(0, B).map((n) => Math.min(n, Lk));
          const row = <T>(list: T[], b: number, n: number): T[] => list.slice(b * n, b * n + n);
          const items = Array.from({ length: B }, (_, b) => b);
          const options: RuleOptions = {
            causal: g.causal,
            queryOffset: g.offset,
            ...(g.window && { window: { left: g.left, right: g.right } }),
            chunk: g.chunk,
            prefixLength: g.prefix,
            keyLengths: lengths,
            ...(g.padding && Lk > 0 && { keyPadding: items.map((b) => row(g.padding!, b, Lk)) }),
            ...(g.documents &&
              Lk > 0 &&
              Lq > 0 && {
                documentIds: {
                  query: items.map((b) => row(g.documents!, b, Lq)),
                  key: items.map((b) => row(g.documents!.slice(21), b, Lk)),
                },
              }),
          };
          const offset = g.offset ?? (g.causal === "upper-left" ? 0 : Lk - Lq);
          const got = maskTensor(options, { batch: B, queries: Lq, keys: Lk }).data;
          for (let b = 0; b < B; b++) {
            for (let i = 0; i < Lq; i++) {
              for (let j = 0; j < Lk; j++) {
                const p = offset + i;
                const causal = g.causal ?? g.prefix !== undefined;
                const may =
                  (!causal || j <= p || j < (g.prefix ?? 0)) &&
                  (!g.window ||
                    (j >= p - (g.left ?? Number.POSITIVE_INFINITY) &&
                      j <= p + (g.right ?? Number.POSITIVE_INFINITY))) &&
                  (g.chunk === undefined || Math.floor(p / g.chunk) === Math.floor(j / g.chunk)) &&
                  (!lengths || j < lengths[b]) &&
                  (!g.padding || g.padding[b * Lk + j]) &&
                  (!g.documents || row(g.documents, b, Lq)[i] === row(g.documents.slice(21), b, Lk)[j]);
                expect(got[(b * Lq + i) * Lk + j], `b=${b} i=${i} j=${j}`).toBe(may ? 1 : 0);
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a rule is as small as its intervals", () => {
  const L = 65_536;
  const bytes = (options: RuleOptions, batch = 1): number => {
    const rule = attentionRule(options, { batch, heads: 12, queries: L, keys: L });
    expect([rule.mask, rule.keyMask, rule.blocks, rule.documents].every((x) => x === undefined)).toBe(true);
    return rule.first.byteLength + rule.end.byteLength;
  };
  test.each<[string, RuleOptions]>([
    ["causal", { causal: true }],
    ["window", { window: { left: 128, right: 128 } }],
    ["chunk and prefix", { chunk: 4096, prefixLength: 100 }],
    ["documents in order", { documentIds: Int32Array.from({ length: L }, (_, j) => j >> 10) }],
    ["padding at both ends", { keyPadding: { data: new Uint8Array(L).fill(1, 9, L - 9), shape: [1, L] } }],
  ])("%s over 65,536 tokens: two integers a query, 512 KiB, not 4 GiB", (_, options) =>
    expect(bytes(options)).toBe(2 * 4 * L),
  );
  test("lengths that are alike need one interval for the whole batch, others one each", () => {
    expect(bytes({ keyLengths: [7, 7] }, 2)).toBe(8 * L);
    expect(bytes({ keyLengths: [7, 8] }, 2)).toBe(2 * 8 * L);
  });
  test("the caller's mask is read where it lies", () => {
    const mask = { data: new Uint8Array(12).fill(1), shape: [4, 3] };
    expect(attentionRule({ mask }, { batch: 2, heads: 5, queries: 4, keys: 3 }).mask).toEqual({
      data: mask.data,
      strides: [0, 0, 3, 1],
    });
    expect(attentionRule({ mask }, { batch: 2, heads: 5, queries: 4, keys: 3 }).mask?.data).toBe(mask.data);
  });
});
