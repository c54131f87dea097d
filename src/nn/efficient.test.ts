import { describe, expect, test } from "vitest";
import { longformer } from "../attention/efficient/index.js";
import { distance, normal } from "../attention/efficient/testing.js";
import { attention } from "../attention/index.js";
import { referenceKernel, withOperations } from "../kernels/index.js";
import type { Tensor } from "../tensor/index.js";
import {
  BigBirdSelfAttention,
  EncoderBlock,
  LongformerSelfAttention,
  ReformerSelfAttention,
  ReversibleBlock,
} from "./index.js";
import { Linear } from "./linear.js";

const within = (body: () => void) => withOperations(referenceKernel(), body);

describe("layers over efficient mechanisms", () => {
  const x = normal(1, 2, 12, 8);
  test("a block takes any mechanism as its attention: a window over everything gives what exact attention gives", () =>
    within(() => {
      const shape = { dModel: 8, heads: 2, feedForward: 16 };
      const exact = new EncoderBlock(shape).initialise(3);
      const wide = new EncoderBlock({ ...shape, attention: (q, k, v) => longformer(q, k, v, { window: 12 }) }).load(
        exact.state(),
      );
      expect(distance(wide.forward(x), exact.forward(x))).toBeLessThan(1e-5);
      const bound = new EncoderBlock({ ...shape, attention: longformer({ window: 12 }) }).load(exact.state());
      expect(distance(bound.forward(x), wide.forward(x))).toBe(0);
      const asked = new EncoderBlock({ ...shape, attention: (q, k, v, o) => attention(q, k, v, o) }).load(
        exact.state(),
      );
      expect(distance(asked.forward(x), exact.forward(x))).toBe(0);
    }));
  test("rows of padded tokens are zeros, as in Hugging Face's layers", () =>
    within(() => {
      const keyPadding = [0, 1].map((b) => Array.from({ length: 12 }, (_, i) => (i < 12 - 3 * b ? 1 : 0)));
      for (const layer of [
        new LongformerSelfAttention({ dModel: 8, heads: 2, window: { left: 2, right: 2 } }).initialise(1),
        new BigBirdSelfAttention({ dModel: 8, heads: 2, blockSize: 4 }).initialise(1),
      ]) {
        const out = layer.forward(x, { keyPadding });
        expect(out.data.subarray((12 + 9) * 8).every((y) => y === 0)).toBe(true);
        expect(out.data.subarray(0, (12 + 9) * 8).some((y) => y === 0)).toBe(false);
      }
    }));
  test("weights are named as in the checkpoints", () => {
    const names = (m: { parameters(): Record<string, Tensor> }) => Object.keys(m.parameters());
    expect(names(new ReformerSelfAttention({ dModel: 8, heads: 2 }))).toEqual(["query_key.weight", "value.weight"]);
    expect(names(new ReformerSelfAttention({ dModel: 8, heads: 2, hashing: false }))).toEqual([
      "query.weight",
      "key.weight",
      "value.weight",
    ]);
    expect(names(new BigBirdSelfAttention({ dModel: 8, heads: 2, bias: false }))).toEqual([
      "query.weight",
      "key.weight",
      "value.weight",
    ]);
  });
  test("heads that do not divide the width are refused", () =>
    expect(() => new BigBirdSelfAttention({ dModel: 8, heads: 3 })).toThrow(
      "BigBirdSelfAttention: heads is 3; expected a number that divides dModel 8.",
    ));
  test("x of another width is refused", () =>
    within(() => {
      const layer = new LongformerSelfAttention({ dModel: 6, heads: 2, window: 1 });
      expect(() => layer.forward(x)).toThrow(
        "LongformerSelfAttention: x has shape [2, 12, 8]; expected [batch, length, 6].",
      );
    }));
});

test("a reversible block gives its inputs back from its outputs", () =>
  within(() => {
    const part = (seed: number) => new Linear({ inputs: 8, outputs: 8 }).initialise(seed) as never;
    const block = new ReversibleBlock(part(1), part(2));
    const [x1, x2] = [normal(1, 1, 5, 8), normal(2, 1, 5, 8)];
    const [y1, y2] = block.forward(x1, x2);
    expect(distance(y1, x1)).toBeGreaterThan(0.1);
    const [z1, z2] = block.inverse(y1, y2);
    expect(distance(z1, x1)).toBeLessThan(2e-6); // two roundings of numbers near 1
    expect(distance(z2, x2)).toBeLessThan(2e-6);
  }));
