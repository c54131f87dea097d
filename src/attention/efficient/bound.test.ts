import { describe, expect, test } from "vitest";
import { gradient } from "../../autograd/index.js";
import { referenceKernel, withOperations } from "../../kernels/index.js";
import { type BoundAttention, longformer, performer, slidingWindow } from "./index.js";
import { distance, normal } from "./testing.js";

const [q, k, v] = [1, 2, 3].map((seed) => normal(seed, 1, 2, 6, 4)) as [never, never, never];
const within = <T>(body: () => T): T => withOperations(referenceKernel(), body);
const said = (body: () => unknown): string => {
  try {
    within(body);
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("a mechanism with its options alone", () => {
  test("is a function of q, k, v and of what a layer says at each call", () =>
    within(() => {
      const attend = longformer({ window: 1, globalTokens: [0] });
      expect(attend.mechanism).toBe("longformer");
      const want = longformer(q, k, v, { window: 1, globalTokens: [0], keyLengths: [4] });
      expect(distance(attend(q, k, v, { keyLengths: [4], causal: undefined, dropout: 0 }), want)).toBe(0);
    }));
  test("refuses a rule of exact attention that it would drop", () =>
    expect(said(() => slidingWindow({ window: 1 })(q, k, v, { mask: v }))).toBe(
      "slidingWindow: options.mask is given; expected only scale, causal, keyPadding, keyLengths of the rules of attention(). Fix: leave it out, or use exact attention in this layer.",
    ));
});

describe("redraw", () => {
  const options = { features: 4, seed: 10 };
  const drawnAs = (seed: number) => within(() => performer(q, k, v, { ...options, seed }));
  /** One training pass: slopes are asked for, so the call is recorded. */
  const pass = (attend: BoundAttention) => within(() => gradient(attend as never, [q, k, v]).output);

  test("features stay for so many training passes, and are then drawn from the next seed", () => {
    const attend = performer({ ...options, redraw: 2 });
    for (const seed of [10, 10, 11, 11, 12]) expect(distance(pass(attend), drawnAs(seed))).toBe(0);
    expect(attend.recorded).toBe(5);
    expect(distance(drawnAs(10), drawnAs(11))).toBeGreaterThan(1e-3);
  });
  test("passes that are only read draw nothing, and use what the last training pass learned with", () => {
    const attend = performer({ ...options, redraw: 1 });
    const read = () => within(() => attend(q, k, v));
    expect(distance(read(), drawnAs(10))).toBe(0);
    pass(attend);
    pass(attend);
    for (let n = 0; n < 3; n++) expect(distance(read(), drawnAs(11))).toBe(0);
  });
  test("a resumed run goes on where it was", () => {
    const attend = performer({ ...options, redraw: 2 });
    attend.recorded = 4;
    expect(distance(pass(attend), drawnAs(12))).toBe(0);
  });
  test("without it the features never change", () => {
    const attend = performer(options);
    for (let n = 0; n < 3; n++) expect(distance(pass(attend), drawnAs(10))).toBe(0);
  });
  test("is refused where it cannot be meant", () => {
    expect(said(() => performer({ features: 4, redraw: 0 }))).toBe(
      "performer: options.redraw is 0; expected a whole number of at least 1: training passes between two draws of features.",
    );
    expect(said(() => performer({ projection: normal(1, 4, 4), redraw: 5 }))).toBe(
      "performer: options.redraw is 5 beside a projection; expected one of them: what is given cannot be drawn anew.",
    );
    expect(said(() => performer(q, k, v, { redraw: 5 }))).toBe(
      "performer: options.redraw is 5; expected nothing in a single call, which draws once. Fix: performer({ …, redraw }) as the attention of a layer, or another seed.",
    );
  });
});
