/** @file The map of a rule's mistake beside the right one, simulated from the rule itself. */
import { pathProblem, rightPairs } from "./probe/masking.js";
import { shapeOf } from "./probe/problem.js";
import { simulate } from "./probe/simulate.js";
import { mapOf } from "./probe/evidence.js";
import type { Rule } from "./rule.js";

export interface Maps {
  says: string;
  expected: number[][];
  found: number[][];
}

const read = (picture: string): number[][] =>
  picture
    .trim()
    .split("\n")
    .map((row) =>
      row
        .trim()
        .split(/\s+/)
        .map((c) => (c === "■" ? 1 : c === "!" ? Number.NaN : 0)),
    );

/** Both maps, or undefined where a mistake does not show in one map. */
export function mapsOf(rule: Rule): Maps | undefined {
  if (rule.picture)
    return { says: "the map of one head", expected: read(rule.picture.expected), found: read(rule.picture.found) };
  const pair = rule.pairs?.find((m) => m.rule);
  const mechanism = rule.mechanisms?.[0];
  if (!pair && !mechanism) return undefined;
  const path = pair?.paths[0] ?? "causal";
  const p = pathProblem(path, shapeOf({ B: 2, H: 2, Lk: 5, D: 4 }), 1);
  const right = rightPairs(p);
  const want = simulate(p, { maskings: [{ pairs: right, mechanism: { kind: "absent" } }] });
  const made = simulate(p, {
    maskings: [{ pairs: pair ? pair.pairs(p, path) : right, mechanism: mechanism?.mechanism ?? { kind: "absent" } }],
  });
  for (let b = 0; b < p.B; b++)
    for (let h = 0; h < p.H; h++) {
      const [expected, found] = [mapOf(want.weights, p, b, h), mapOf(made.weights, p, b, h)];
      if (JSON.stringify(expected) !== JSON.stringify(found))
        return { says: `${pair?.says ?? mechanism!.says}`, expected, found };
    }
  return undefined;
}
