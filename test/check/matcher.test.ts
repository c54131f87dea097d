/** @file The check inside other people's tests: vitest's `expect` and node:test; jest's is in matcher.jest.test.ts. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attentionMatchers } from "../../src/check/index.js";
import { loadModel } from "../../src/models/index.js";
import { golden, root } from "../goldens/where.js";
import { passesAndFails, rules, that } from "./matcher.js";
import { planted } from "./planted.js";

expect.extend(attentionMatchers);

test("expect(…).toBeAttention() of vitest", () => passesAndFails(expect));

test("a model of loadModel is a subject as it is", async () => {
  await that(expect, await loadModel(golden("gpt2/lm-h4-d32/model")!)).toBeAttention({ rules });
});

test("strict: a warning fails too", async () => {
  const warned = planted["dead-row-uniform"]!["fills −1e9, loops"]!();
  await that(expect, warned).toBeAttention({ rules: ["dead-row-uniform"] });
  await that(expect, warned).not.toBeAttention({ rules: ["dead-row-uniform"], strict: true });
});

test("node:test passes and fails with the report", () => {
  const ran = spawnSync(
    process.execPath,
    ["--test", "--test-reporter=tap", join(root, "test/check/matcher.node.mjs")],
    {
      encoding: "utf8",
    },
  );
  expect(ran.stdout).toMatch(/^\s*ok \d+ - right/m);
  expect(ran.stdout).toMatch(/^\s*not ok \d+ - wrong/m);
  expect(ran.stdout).toContain("scale-missing");
  expect(ran.status).toBe(1);
});
