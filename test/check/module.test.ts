import { expect, test } from "vitest";
import { checkModule } from "../../src/check/index.js";
import { leftAlone } from "./catalogue.js";
import { plantedModules, rightModules } from "./multi-head.js";

for (const [rule, mistakes] of Object.entries(plantedModules))
  for (const [title, make] of Object.entries(mistakes))
    test(`${rule} is named in a multi-head module: ${title}`, async () => {
      const { findings } = await checkModule(make());
      expect(
        findings.map((f) => f.rule),
        JSON.stringify(findings),
      ).toEqual([rule]);
    });
for (const [title, make] of Object.entries(rightModules))
  test(`a right multi-head module has no finding: ${title}`, async () =>
    leftAlone(`module: ${title}`, await checkModule(make())));
