/** @file JUnit XML, for continuous integration: a rule is a test case. */
import type { Report } from "../types.js";

const escaped = (s: string): string =>
  s
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "�")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");

/** The report as one test suite: errors fail, what was not tested is skipped, conventions and warnings are output. */
export function toJunit(report: Report): string {
  const { candidate, findings, tested, notTested } = report;
  const failures = findings.filter((f) => f.severity === "error");
  const cases = tested.map((id) => {
    const f = findings.find((x) => x.rule === id);
    const open = `    <testcase classname="${escaped(candidate.name)}" name="${escaped(id)}"`;
    if (!f) return `${open}/>`;
    const body = escaped(`${f.message}\n${f.evidence}\nFix: ${f.fix}.`);
    return f.severity === "error"
      ? `${open}>\n      <failure message="${escaped(f.message)}" type="${escaped(id)}">${body}</failure>\n    </testcase>`
      : `${open}>\n      <system-out>${escaped(f.severity)}: ${body}</system-out>\n    </testcase>`;
  });
  const skipped = notTested.map(
    ({ rule, reason }) =>
      `    <testcase classname="${escaped(candidate.name)}" name="${escaped(rule)}">\n      <skipped message="${escaped(reason)}"/>\n    </testcase>`,
  );
  const counts = `tests="${tested.length + notTested.length}" failures="${failures.length}" skipped="${notTested.length}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="qkv check" ${counts}>`,
    ...cases,
    ...skipped,
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}
