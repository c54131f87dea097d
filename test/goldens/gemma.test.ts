import { describe } from "vitest";
import { forwardTests, generateTests, gradientTests, openCase } from "./model-cases.js";
import { goldenSets } from "./where.js";

for (const one of ["gemma", "gemma2", "gemma3"].flatMap(goldenSets)) {
  describe(one.id, async () => {
    const files = await openCase(one);
    forwardTests(files);
    generateTests(files);
    gradientTests(files);
  });
}
