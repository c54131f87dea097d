import { expect, test } from "vitest";
import { tensor } from "../tensor/index.js";
import { clip, restarts, warmUpCosine } from "./schedule.js";

test("the rate climbs in a line to its peak, falls by half a cosine, and ends at its floor", () => {
  const rate = warmUpCosine({ peak: 2, warmUp: 10, steps: 110, floor: 0.1 });
  expect([1, 5, 10].map(rate)).toEqual([0.2, 1, 2]);
  expect(rate(60)).toBeCloseTo(2 * (0.1 + 0.9 / 2), 12);
  expect(rate(110)).toBeCloseTo(0.2, 12);
  expect(rate(1000)).toBeCloseTo(0.2, 12);
});

test("slopes longer than the limit are scaled together; shorter ones stay as they are", () => {
  const long = { a: tensor([3, 0], [2]), b: tensor([4], [1]) };
  expect(clip(long, 1)).toBeCloseTo(5, 6);
  expect(long.a.data[0]).toBeCloseTo(0.6, 6);
  expect(long.b.data[0]).toBeCloseTo(0.8, 6);
  const short = { a: tensor([0.3, 0.4], [2]) };
  clip(short, 1);
  expect([...short.a.data]).toEqual([Math.fround(0.3), Math.fround(0.4)]);
});

test("a warm restart is one schedule after another, and the last one's end goes on", () => {
  const [first, second] = [
    { peak: 2, warmUp: 4, steps: 20 },
    { peak: 1, warmUp: 2, steps: 10 },
  ];
  const rate = restarts([first, second]);
  for (const step of [1, 4, 13, 20]) expect(rate(step)).toBe(warmUpCosine(first)(step));
  for (const step of [1, 2, 7, 10]) expect(rate(20 + step)).toBe(warmUpCosine(second)(step));
  expect(rate(99)).toBe(rate(30));
});
