import { describe, expect, test } from "vitest";
import { checkModel } from "../../src/check/index.js";
import { leftAlone } from "./catalogue.js";
import { modelConventions, plantedModels, rightModels } from "./tiny-transformer.js";

for (const [rule, mistakes] of Object.entries(plantedModels)) {
  describe(`${rule} is named in a model`, () => {
    for (const [title, make] of Object.entries(mistakes))
      test(title, async () => {
        const report = await checkModel(make(), { timeLimit: 5000 });
        const serious = report.findings.filter((f) => f.severity !== "info");
        expect(serious[0]?.rule, JSON.stringify(report.findings, null, 1)).toBe(rule);
        expect(
          serious.slice(1).map((f) => f.rule),
          JSON.stringify(serious.slice(1), null, 1),
        ).toEqual([]);
      });
  });
}

describe("a right model has no finding", () => {
  for (const [title, make] of Object.entries(rightModels))
    test(title, async () => leftAlone(`model: ${title}`, await checkModel(make())));
});

describe("a model's convention is named and not held against it", () => {
  for (const [title, [rule, make]] of Object.entries(modelConventions))
    test(title, async () => {
      const report = await checkModel(make());
      expect(report.findings.map((f) => [f.rule, f.severity])).toEqual([[rule, "info"]]);
      expect(report.ok).toBe(true);
    });
});
