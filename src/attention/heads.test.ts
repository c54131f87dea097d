import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normal } from "../../test/conformance/numbers.js";
import { ops } from "../kernels/current.js";
import type { AttentionCall } from "../kernels/kernel.js";
import { type Tensor, tensor } from "../tensor/index.js";
import {
  attend,
  attention,
  attentionRule,
  KeyValueCache,
  mergeHeads,
  sliceRows,
  splitHeads,
  viewHeads,
  withListener,
} from "./index.js";

const part = (x: Tensor, axis: number, from: number, to: number): Tensor => ops().slice(x, axis, from, to);
const close = (got: Tensor, want: Tensor): void => {
  expect(got.shape).toEqual(want.shape);
  want.data.forEach((x, n) => expect(Math.abs(got.data[n] - x), `at ${n}`).toBeLessThan(5e-6)); // 80 roundings of numbers near 1
};

describe("heads", () => {
  test("head h of a token is its numbers h·D to (h + 1)·D", () =>
    expect([...splitHeads(tensor([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4]), 2).data]).toEqual([1, 2, 5, 6, 3, 4, 7, 8]));
  test("merging undoes splitting", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 3),
        fc.constantFrom(1, 3, 5),
        fc.constantFrom(1, 2, 7),
        fc.constantFrom(1, 5),
        (B, H, L, D) => {
          const x = normal(1, [B, L, H * D]);
          expect(mergeHeads(splitHeads(x, H))).toEqual(x);
        },
      ),
    );
  });
});

describe("attend", () => {
  const [B, H, L, D] = [2, 3, 5, 4];
  const fused = normal(1, [B, L, 3 * H * D]);
  const third = (n: number) => viewHeads(fused, H, n * H * D, H * D);
  const views = { q: third(0), k: third(1), v: third(2) };
  const split = (n: number): Tensor => splitHeads(part(fused, 2, n * H * D, (n + 1) * H * D), H);
  const want = attention(split(0), split(1), split(2), { causal: true });

  test("reads a fused projection in place and gives merged heads", () => {
    close(attend(undefined, { ...views, causal: true }), mergeHeads(want));
    close(attend(undefined, { ...views, causal: true, outputLayout: "heads" }), want);
  });
  test("a rule made once serves every layer", () => {
    const rule = attentionRule({ causal: true }, { batch: B, heads: H, queries: L, keys: L });
    close(attend(undefined, { ...views, rule }), mergeHeads(want));
  });
  test("a listener sees the call and its site, and may change both call and result", () => {
    const seen: string[] = [];
    const scaled = withListener(
      {
        before: (site, call): AttentionCall => {
          seen.push(`${site.kind} ${site.layer}`);
          return { ...call, scale: 0 };
        },
        after: (_site, _call, result) => ({ ...result, output: ops().affine(result.output, 2) }),
      },
      () => attend({ kind: "self", layer: 4 }, { ...views, outputLayout: "heads" }),
    );
    expect(seen).toEqual(["self 4"]);
    close(scaled, ops().affine(attention(split(0), split(1), split(2), { scale: 0 }), 2));
  });
});

describe("a cache of keys and values", () => {
  const [B, H, Hk, L, D] = [2, 4, 2, 200, 8];
  const [q, k, v] = [normal(1, [B, H, L, D]), normal(2, [B, Hk, L, D]), normal(3, [B, Hk, L, D])];

  test("chunks of any size give the rows of one pass, with and without a window", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(undefined, 0, 3, 17),
        (chunks, left) => {
          const cache = new KeyValueCache({ window: left, capacity: 4 });
          const options = { causal: true, ...(left !== undefined && { window: { left } }) };
          let at = 0;
          for (const n of chunks) {
            const to = Math.min(L, at + n);
            if (to === at) break;
            const held = cache.append(part(k, 2, at, to), part(v, 2, at, to));
            const got = attend(undefined, {
              q: part(q, 2, at, to),
              k: held.k,
              v: held.v,
              queryOffset: held.queryOffset,
              outputLayout: "heads",
              ...options,
            });
            const want = attention(part(q, 2, 0, to), part(k, 2, 0, to), part(v, 2, 0, to), options);
            close(got, part(want, 2, at, to));
            at = to;
            expect(cache.length).toBe(at);
            expect(cache.kept).toBeLessThanOrEqual(left === undefined ? at : left + n);
          }
        },
      ),
      { numRuns: 25 },
    );
  });
  test("views of a fused projection are appended as they lie", () => {
    const x = normal(5, [1, 6, 3 * 8]);
    const cache = new KeyValueCache();
    cache.append(sliceRows(viewHeads(x, 2, 8, 8), 0, 4), sliceRows(viewHeads(x, 2, 16, 8), 0, 4));
    const held = cache.append(sliceRows(viewHeads(x, 2, 8, 8), 4, 6), sliceRows(viewHeads(x, 2, 16, 8), 4, 6));
    const want = attend(undefined, {
      q: viewHeads(x, 2, 0, 8),
      k: viewHeads(x, 2, 8, 8),
      v: viewHeads(x, 2, 16, 8),
      causal: true,
    });
    const got = attend(undefined, { q: sliceRows(viewHeads(x, 2, 0, 8), 4, 6), k: held.k, v: held.v, causal: true });
    close(got, part(want, 1, 4, 6));
  });
  test("a window bounds the memory however long the text is", () => {
    const cache = new KeyValueCache({ window: 16 });
    const one = normal(1, [1, 1, 1, 4]);
    let bytes = 0;
    for (let n = 0; n < 5000; n++) bytes = cache.append(one, one).k.tensor.size * 4;
    expect([cache.length, cache.kept]).toEqual([5000, 17]);
    expect(bytes).toBe(64 * 4 * 4);
    cache.clear();
    expect([cache.length, cache.kept]).toEqual([0, 0]);
  });
});
