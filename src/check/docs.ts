/** @file The page of a rule, made from the rule. `npx vitest run test/check/docs.test.ts -u` writes docs/check anew. */
import { mapsOf } from "./maps.js";
import { sideBySide } from "./report/picture.js";
import { kindsOf, type Rule } from "./rule.js";

const subjects = { function: "functions", "multi-head": "multi-head modules", model: "whole models" } as const;

/** File name of a rule's page. */
export const pageOf = (r: Rule): string => `${r.id.toLowerCase()}.md`;

/** Markdown: what it is, why it matters, a wrong and a right snippet, both maps, the fix, where it is written. */
export function rulePage(r: Rule): string {
  const maps = mapsOf(r);
  const code = (text: string) => ["```ts no-run", text, "```"].join("\n");
  return [
    `# ${r.id}`,
    `**${r.says}** ${r.why}`,
    `Severity: ${r.severity}. Asked of ${kindsOf(r)
      .map((k) => subjects[k])
      .join(", ")}.${r.aliases ? ` Also called ${r.aliases.map((a) => `\`${a}\``).join(", ")}.` : ""}`,
    ...(r.wrong ? ["Wrong:", code(r.wrong), "Right:", code(r.right)] : []),
    ...(maps
      ? [
          `Query rows, key columns; ■ attends, · does not, ! is not a number (${maps.says}):`,
          ["```text", sideBySide(maps.expected, maps.found), "```"].join("\n"),
        ]
      : []),
    `**Fix.** ${r.fix}.`,
    `**Reference.** ${r.reference}.`,
    ...(r.explains?.length
      ? [
          `Findings folded under it: ${r.explains.includes("*") ? "all that compare two calls" : r.explains.map((e) => `\`${e}\``).join(", ")}.`,
        ]
      : []),
    "",
  ]
    .join("\n\n")
    .replace(/\n+$/, "\n");
}

/** The table of contents. */
export function rulesTable(rules: readonly Rule[]): string {
  return [
    "| rule | says | severity |",
    "|---|---|---|",
    ...rules.map((r) => `| [${r.id}](${pageOf(r)}) | ${r.says.replaceAll("|", "\\|")} | ${r.severity} |`),
    "",
  ].join("\n");
}
