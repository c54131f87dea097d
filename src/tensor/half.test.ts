import fc from "fast-check";
import { expect, test } from "vitest";
import { bfloat16ToFloat32, float16Bits, float16ToFloat32, float16Value, float32ToBfloat16 } from "./half.js";

test("every float16 that is a number survives the way to float32 and back", () => {
  for (let h = 0; h < 65536; h++) {
    const x = float16Value(h);
    if (Number.isNaN(x)) expect(Number.isNaN(float16Value(float16Bits(x)))).toBe(true);
    else expect(float16Bits(x)).toBe(h);
  }
});

test("rounding to float16 picks the nearest neighbour, the even one on a tie", () => {
  expect(float16Value(float16Bits(1 + 1 / 2048))).toBe(1); // half way between 1 and 1 + 2⁻¹⁰: 1 is even
  expect(float16Value(float16Bits(1 + 3 / 2048))).toBe(1 + 2 / 1024);
  expect(float16Value(float16Bits(65519))).toBe(65504);
  expect(float16Value(float16Bits(65520))).toBe(Number.POSITIVE_INFINITY);
  expect(float16Value(float16Bits(2 ** -25))).toBe(0);
  expect(float16Value(float16Bits(-1.5 * 2 ** -24))).toBe(-(2 ** -23)); // tie between 1 and 2 units: even
  fc.assert(
    fc.property(fc.float({ min: Math.fround(-65000), max: Math.fround(65000), noNaN: true }), (x) => {
      const h = float16Bits(x);
      const error = Math.abs(float16Value(h) - x);
      for (const neighbour of [h - 1, h + 1]) {
        if (((neighbour >> 10) & 31) === 31 || neighbour < 0) continue;
        expect(error).toBeLessThanOrEqual(Math.abs(float16Value(neighbour) - x));
      }
    }),
  );
});

test("bfloat16 keeps eight bits of a float32 and comes back exactly", () => {
  const x = [1, -2.5, 3.140625, 1e38, 1e-38, 0, -0, Number.POSITIVE_INFINITY];
  const once = bfloat16ToFloat32(float32ToBfloat16(x));
  expect(bfloat16ToFloat32(float32ToBfloat16(once))).toEqual(once);
  expect(Number.isNaN(bfloat16ToFloat32(float32ToBfloat16([Number.NaN]))[0])).toBe(true);
  expect(float16ToFloat32([0x3c00, 0xc000])).toEqual(new Float32Array([1, -2]));
});
