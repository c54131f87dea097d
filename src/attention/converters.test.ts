import { expect, test } from "vitest";
import {
  and,
  describeMask,
  fromAdditiveMask,
  fromCumulativeLengths,
  fromSlidingWindow,
  fromTrueMeansIgnore,
  maskTensor,
  not,
  or,
} from "./index.js";

test("a mask in which true means ignore is negated", () =>
  expect(
    fromTrueMeansIgnore([
      [true, false],
      [false, false],
    ]),
  ).toEqual({ data: Uint8Array.of(0, 1, 1, 1), shape: [2, 2] }));
test("an additive mask: −∞ and huge negatives mask, anything else is a bias", () => {
  expect(fromAdditiveMask({ data: [0, Number.NEGATIVE_INFINITY, -3.4e38, -1e4], shape: [2, 2] }).data).toEqual(
    Uint8Array.of(1, 0, 0, 0),
  );
  expect(() => fromAdditiveMask([0, -0.5])).toThrow(
    "fromAdditiveMask: mask holds -0.5 at 1; expected 0 or a number below −1000. Fix: pass it as bias.",
  );
});
test("cumulative lengths become ids, an empty document has none", () =>
  expect(fromCumulativeLengths([0, 2, 2, 3])).toEqual([0, 0, 2]));
test("transformers' sliding_window 3 lets a query see three keys", () => {
  const options = { causal: true, window: fromSlidingWindow(3) };
  expect(
    String(describeMask(options, { queries: 4, keys: 4 }))
      .split("\n")
      .slice(1),
  ).toEqual(["■ · · ·", "■ ■ · ·", "■ ■ ■ ·", "· ■ ■ ■"]);
});
test("masks of masks", () => {
  const even = (_b: number, _h: number, _q: number, kv: number): boolean => kv % 2 === 0;
  const past = (_b: number, _h: number, q: number, kv: number): boolean => kv <= q;
  const bytes = (maskMod: typeof even): number[] => [...maskTensor({ maskMod }, { queries: 2, keys: 3 }).data];
  expect(bytes(and(even, past))).toEqual([1, 0, 0, 1, 0, 0]);
  expect(bytes(or(even, past))).toEqual([1, 0, 1, 1, 1, 1]);
  expect(bytes(not(even))).toEqual([0, 1, 0, 0, 1, 0]);
});
