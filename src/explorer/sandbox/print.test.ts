import { expect, test } from "vitest";
import { tensor } from "../../tensor/index.js";
import { printed } from "./print.js";

test("a tensor prints its shape and its rows", () => {
  expect(printed(tensor([1, 0.25, -3, 4], [2, 2]))).toBe("[2, 2]\n[    1  0.25 ]\n[   -3     4 ]");
});

test("numbers, nested lists, objects, errors and what refers to itself print in one place", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  expect(printed([[1, Number.NEGATIVE_INFINITY], [0.5, 0]])).toBe("\n[   1   −∞ ]\n[ 0.5    0 ]"); // biome-ignore format: a matrix
  expect(printed({ a: "x", b: [1, 2], c: [] })).toBe('{ a: "x", b: [ 1  2 ], c: [] }');
  expect(printed(new TypeError("no"))).toBe("TypeError: no");
  expect(printed(loop)).toContain("…");
});
