import { expect, test } from "vitest";
import { rules } from "../../src/check/index.js";
import { plantedModules, rightModules } from "./multi-head.js";
import { planted, right } from "./planted.js";
import { plantedModels, rightModels } from "./tiny-transformer.js";

type Plants = Record<string, Record<string, unknown>>;
const titles = (prefix: string, of: Record<string, unknown> = {}) => Object.keys(of).map((t) => prefix + t);
const kinds: [string, Plants][] = [
  ["", planted],
  ["module: ", plantedModules],
  ["model: ", plantedModels],
];

test.each(rules.map((r) => [r.id, r] as const))(
  "%s: mustCatch names what is planted, three mistakes at least",
  (id, rule) => {
    const there = kinds.flatMap(([prefix, plants]) => titles(prefix, plants[id]));
    expect([...rule.mustCatch].sort()).toEqual(there.sort());
    expect(rule.mustCatch.length).toBeGreaterThanOrEqual(3);
  },
);

test("mustPass names right implementations that are there, at least one a rule", () => {
  const there = [...titles("", right), ...titles("module: ", rightModules), ...titles("model: ", rightModels)];
  for (const r of rules) {
    expect(
      r.mustPass.filter((t) => !there.includes(t)),
      r.id,
    ).toEqual([]);
    expect(r.mustPass.length, r.id).toBeGreaterThan(0);
  }
});

test("nothing is planted for a rule that is not there", () => {
  const ids = rules.map((r) => r.id);
  expect(kinds.flatMap(([, plants]) => Object.keys(plants)).filter((id) => !ids.includes(id))).toEqual([]);
});
