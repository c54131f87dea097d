import { expect, test } from "vitest";
import { dropoutKeeps } from "./dropout.js";

test("the share dropped is the rate, along every index", () => {
  for (const rate of [0.1, 0.5, 0.9]) {
    for (const axis of [0, 1, 2, 3, 4]) {
      let dropped = 0;
      const n = 20_000;
      for (let x = 0; x < n; x++) {
        const [seed, b, h, i, j] = [0, 1, 2, 3, 4].map((a) => (a === axis ? x : 7 + a)) as [
          number,
          number,
          number,
          number,
          number,
        ];
        if (!dropoutKeeps(seed, b, h, i, j, rate)) dropped++;
      }
      expect(Math.abs(dropped / n - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / n)); // five standard deviations
    }
  }
});
test("rate 0 keeps all", () => {
  for (let j = 0; j < 1000; j++) expect(dropoutKeeps(1, 2, 3, 4, j, 0)).toBe(true);
});
test("neighbours are independent: both drop as often as chance has it", () => {
  let both = 0;
  const n = 50_000;
  for (let j = 0; j < n; j++) if (!dropoutKeeps(3, 0, 0, 9, j, 0.5) && !dropoutKeeps(3, 0, 0, 9, j + 1, 0.5)) both++;
  expect(Math.abs(both / n - 0.25)).toBeLessThan(5 * Math.sqrt(0.1875 / n));
});
