import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileKernels } from "./compile.js";

test("the committed tiles, argument blocks and binaries are what the generator and the compiler give", async () => {
  const fresh = await compileKernels();
  expect(Object.keys(fresh).length).toBe(3);
  for (const [name, text] of Object.entries(fresh)) {
    const committed = readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
    expect(committed === text, `${name} is stale: run node scripts/build-kernels.mjs`).toBe(true);
  }
});
