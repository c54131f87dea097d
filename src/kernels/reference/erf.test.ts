import { expect, test } from "vitest";
import { erf } from "./erf.js";

// Values to 20 digits from Abramowitz & Stegun table 7.1 and DLMF §7.
test.each([
  [0.1, 0.1124629160182849],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [2, 0.9953222650189527],
  [3, 0.9999779095030014],
  [5, 0.9999999999984626],
])("erf(%f) to the last bits", (x, want) => {
  expect(Math.abs(erf(x) - want)).toBeLessThan(3e-16);
  expect(erf(-x)).toBe(-erf(x));
});

test("erf at the edges: signs of zero, infinities, NaN, subnormals", () => {
  expect(Object.is(erf(-0), -0)).toBe(true);
  expect(erf(Number.POSITIVE_INFINITY)).toBe(1);
  expect(erf(-7)).toBe(-1);
  expect(erf(Number.NaN)).toBeNaN();
  expect(erf(1e-310)).toBe(1e-310 * (2 / Math.sqrt(Math.PI)));
});

test("the pieces meet: no jump between neighbouring centres", () => {
  for (let c = 0; c < 96; c++) {
    const edge = (c + 0.5) / 16;
    expect(Math.abs(erf(edge + 1e-15) - erf(edge - 1e-15))).toBeLessThan(4e-15);
  }
});
