import { describe, expect, test } from "vitest";
import { tensor } from "../tensor/index.js";
import { crossEntropy, gelu, layerNorm, rmsNorm, softmax } from "./index.js";

test("worked by hand: layerNorm of (1, 3) is (−1, 1), rmsNorm of (3, 4) is (3, 4)/√12.5", () => {
  const near = (t: { data: Float32Array }, want: number[]): void =>
    want.forEach((w, i) => expect(t.data[i]).toBeCloseTo(w, 4));
  near(layerNorm(tensor([1, 3], [1, 2])), [-1, 1]);
  near(layerNorm(tensor([1, 3], [1, 2]), tensor([2, 2]), tensor([1, 0])), [-1, 2]);
  near(rmsNorm(tensor([3, 4], [1, 2])), [3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)]);
});

test("softmax of huge numbers does not overflow", () => {
  expect([...softmax(tensor([1000, 1000], [1, 2])).data]).toEqual([0.5, 0.5]);
});

test("both forms of gelu agree to 5e-4", () => {
  const x = tensor(Float32Array.from({ length: 81 }, (_, i) => (i - 40) / 10));
  const [exact, form] = [gelu(x), gelu(x, { approximate: "tanh" })];
  for (const [i, y] of exact.data.entries()) expect(Math.abs(form.data[i]! - y)).toBeLessThan(5e-4);
});

describe("crossEntropy", () => {
  const logits = tensor([0, 0, 0, 0, 0, 0], [2, 3]);
  test("of even logits is ln of their number; ignored rows do not count; none counting is NaN", () => {
    expect(crossEntropy(logits, [0, 2]).data[0]).toBeCloseTo(Math.log(3), 6);
    expect(crossEntropy(logits, [[0], [-100]]).data[0]).toBeCloseTo(Math.log(3), 6);
    expect(crossEntropy(logits, [-100, -100]).data[0]).toBeNaN();
  });
  test("a label outside, another count, a smoothing of one and a form that is none are refused", () => {
    expect(() => crossEntropy(logits, [0, 3])).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: crossEntropy: labels has 3 at row 1; expected 0 … 2, or -100 for a row that does not count.]`,
    );
    expect(() => crossEntropy(logits, [0])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: crossEntropy: labels has 1 labels; expected 2, one for each row of logits [2, 3].]`,
    );
    expect(() => crossEntropy(logits, [0, 1], { labelSmoothing: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: crossEntropy: options.labelSmoothing is 1; expected a share in [0, 1).]`,
    );
    expect(() => gelu(logits, { approximate: "erf" as never })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: gelu: options.approximate is "erf"; expected "none" or "tanh".]`,
    );
  });
});
