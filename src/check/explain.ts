/** @file A rule told to a person: what it means, the mistake and its mending, both maps. */
import { sideBySide } from "./report/picture.js";
import type { Rule } from "./rule.js";
import { mapsOf } from "./maps.js";

/** A rule as plain text. */
export function explain(rule: Rule): string {
  const maps = mapsOf(rule);
  const block = (title: string, code: string) =>
    code ? [`${title}:`, ...code.split("\n").map((l) => `    ${l}`), ""] : [];
  return [
    `${rule.id} (${rule.severity})${rule.aliases ? `, also ${rule.aliases.join(", ")}` : ""}`,
    "",
    rule.says,
    rule.why,
    "",
    ...block("wrong", rule.wrong),
    ...block("right", rule.right),
    ...(maps
      ? [
          `${maps.says}:`,
          ...sideBySide(maps.expected, maps.found)
            .split("\n")
            .map((l) => `    ${l}`),
          "",
        ]
      : []),
    `Fix: ${rule.fix}.`,
    `See: ${rule.reference}.`,
    ...(rule.explains?.length ? [`Brings with it: ${rule.explains.join(", ")}.`] : []),
  ].join("\n");
}
