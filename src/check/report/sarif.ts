/** @file SARIF 2.1.0, for code hosts that show findings beside the code. */
import type { Rule } from "../rule.js";
import type { Report } from "../types.js";

const level = { error: "error", warning: "warning", info: "note" } as const;

/** The report as a SARIF log. @param uri the file that was checked, relative to the repository */
export function toSarif(report: Report, rules: readonly Rule[], uri: string, version: string): object {
  const used = rules.filter((r) => report.tested.includes(r.id) || report.findings.some((f) => f.rule === r.id));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "qkv check",
            version,
            rules: used.map((r) => ({
              id: r.id,
              shortDescription: { text: r.says },
              fullDescription: { text: r.why },
              help: { text: `${r.fix}. ${r.reference}` },
              defaultConfiguration: { level: level[r.severity] },
            })),
          },
        },
        results: report.findings.map((f) => ({
          ruleId: f.rule,
          level: level[f.severity],
          message: { text: `${f.message}\n${f.evidence}\nFix: ${f.fix}.` },
          locations: [{ physicalLocation: { artifactLocation: { uri }, region: { startLine: 1 } } }],
          partialFingerprints: { rule: `${uri}:${f.rule}` },
        })),
      },
    ],
  };
}
