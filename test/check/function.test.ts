import { describe, expect, test } from "vitest";
import { check } from "../../src/check/index.js";
import { leftAlone } from "./catalogue.js";
import { conventions, planted, right } from "./planted.js";

/** What else is rightly said of some planted mistakes. */
const besides: Record<string, string[]> = {
  "scores times the mask as weights": ["mask-multiplied-before-softmax"],
  "scores as weights": ["mask-multiplied-before-softmax"],
};

for (const [rule, mistakes] of Object.entries(planted)) {
  describe(`${rule} is named`, () => {
    for (const [title, make] of Object.entries(mistakes))
      test(title, async () => {
        const report = await check(make(), { timeLimit: rule === "hangs" ? 50 : 30_000 });
        const serious = report.findings.filter((f) => f.severity !== "info");
        expect(serious[0]?.rule, JSON.stringify(report.findings, null, 1)).toBe(rule);
        expect(
          serious.slice(1).map((f) => f.rule),
          JSON.stringify(serious.slice(1), null, 1),
        ).toEqual(besides[title] ?? []);
      });
  });
}

describe("a right implementation has no finding", () => {
  for (const [title, attention] of Object.entries(right))
    test(title, async () => leftAlone(title, await check(attention)));
});

describe("a convention is named and not held against it", () => {
  for (const [title, [rule, attention]] of Object.entries(conventions))
    test(title, async () => {
      const report = await check(attention);
      expect(report.findings.map((f) => [f.rule, f.severity])).toEqual([[rule, "info"]]);
      expect(report.ok).toBe(true);
    });
});
