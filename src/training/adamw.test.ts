import { expect, test } from "vitest";
import { tensor, type Tensor } from "../tensor/index.js";
import { AdamW, matricesOnly } from "./adamw.js";

const model = (weights: Record<string, Tensor>) => ({ parameters: () => weights });

test("the first step, worked by hand: m̂ = g and v̂ = g², so a weight moves by the learning rate against its slope's sign", () => {
  const w = tensor([1, -2], [2]);
  new AdamW({ learningRate: 0.1, weightDecay: 0 }).step(model({ w }), { w: tensor([3, -0.5], [2]) });
  expect(w.data[0]).toBeCloseTo(0.9, 5); // 1 − β₂ = 0.001 has 4 digits in float32
  expect(w.data[1]).toBeCloseTo(-1.9, 5);
});

test("decay takes its share before the step, from every weight by default and from matrices only when asked", () => {
  const zero = tensor([0, 0], [2]);
  const all = { vector: tensor([1, 1], [2]), matrix: tensor([1, 1], [1, 2]) };
  const options = { learningRate: 0.1, weightDecay: 0.5 };
  new AdamW(options).step(model(all), { vector: zero, matrix: tensor([0, 0], [1, 2]) });
  expect(all.vector.data[0]).toBeCloseTo(0.95, 6);
  const some = { vector: tensor([1, 1], [2]), matrix: tensor([1, 1], [1, 2]) };
  new AdamW({ ...options, decays: matricesOnly }).step(model(some), { vector: zero, matrix: tensor([0, 0], [1, 2]) });
  expect([some.vector.data[0], some.matrix.data[0]]).toEqual([1, Math.fround(0.95)]);
});

test("a second optimiser that loads the first one's state goes on where it was", () => {
  const slope = (n: number): Record<string, Tensor> => ({ w: tensor([n, 1 - n], [2]) });
  const [a, b] = [tensor([1, 2], [2]), tensor([1, 2], [2])];
  const first = new AdamW();
  const again = new AdamW();
  for (const n of [1, 2, 3]) first.step(model({ w: a }), slope(n));
  b.data.set(a.data);
  again.load(first.state());
  first.step(model({ w: a }), slope(4));
  again.step(model({ w: b }), slope(4));
  expect([...b.data]).toEqual([...a.data]);
});

test("a gradient without a weight, or of another shape, is refused", () => {
  const w = tensor([1, 2], [2]);
  const step = (gradients: Record<string, Tensor>) => () => new AdamW().step(model({ w }), gradients);
  expect(step({ v: w })).toThrowErrorMatchingInlineSnapshot(
    `[OptionError: AdamW.step: gradients["v"] belongs to no weight of the model; expected names of model.parameters().]`,
  );
  expect(step({ w: tensor([1], [1]) })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: AdamW.step: gradients["w"] has shape [1]; expected [2], as the weight.]`,
  );
  expect(() => new AdamW({ learningRate: -1 })).toThrowErrorMatchingInlineSnapshot(
    `[OptionError: AdamW: options are {"learningRate":-1,"betas":[0.9,0.999],"epsilon":1e-8,"weightDecay":0.01}; expected numbers ≥ 0, and betas below 1.]`,
  );
});
