import { expect, test } from "vitest";
import { tensor } from "../../tensor/index.js";
import { contiguousHeads } from "../layout.js";
import { referenceKernel } from "./reference-kernel.js";

test("worked by hand: two tokens, q = k = v = I, scale 1: the diagonal is e/(e+1) = 0.731059", () => {
  const x = contiguousHeads(tensor([1, 0, 0, 1], [1, 1, 2, 2]));
  const sizes = { batch: 1, heads: 1, keyHeads: 1, queries: 2, keys: 2, headDim: 2, valueDim: 2 };
  const rule = { first: new Int32Array(2), end: new Int32Array([2, 2]), perBatch: false };
  const { output, lse } = referenceKernel().attention({ ...sizes, q: x, k: x, v: x, scale: 1, rule });
  const d = Math.E / (Math.E + 1);
  expect([...output.data]).toEqual([d, 1 - d, 1 - d, d].map(Math.fround));
  expect([...lse.data]).toEqual([Math.log(Math.E + 1), Math.log(Math.E + 1)].map(Math.fround));
});
