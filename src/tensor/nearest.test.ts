import { expect, test } from "vitest";
import { editDistance, nearestName } from "./nearest.js";

test("the distance counts insertions, deletions and replacements", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("same", "same")).toBe(0);
});

test("a missing prefix is nearer than a spelling that happens to be close", () => {
  const names = ["h.2.attn.weight", "transformer.h.3.attn.weight"];
  expect(nearestName("h.3.attn.weight", names)).toBe("transformer.h.3.attn.weight");
});

test("one prefix too many is seen too, and an empty list has no nearest name", () => {
  expect(nearestName("model.norm.weight", ["norm.bias", "norm.weight"])).toBe("norm.weight");
  expect(nearestName("x", [])).toBeUndefined();
});
