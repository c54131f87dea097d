/** @file The report for people. */
import type { Finding, Report } from "../types.js";

/** The colours a report uses; the identity where there are none. */
export interface Paint {
  bold(s: string): string;
  dim(s: string): string;
  red(s: string): string;
  green(s: string): string;
  yellow(s: string): string;
  cyan(s: string): string;
}

const plainPaint: Paint = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };
function same(s: string): string {
  return s;
}

/** The whole report as text. */
export function toText(report: Report, paint: Paint = plainPaint): string {
  const { candidate, findings, tested, notTested } = report;
  const head = `${paint.bold(candidate.name)} ${paint.dim(`(${candidate.kind}${candidate.precision ? `, ${candidate.precision}` : ""}, seed ${report.seed})`)}`;
  const parts = [head, ...findings.map((f) => findingText(f, paint))];
  if (notTested.length > 0) {
    const reasons = new Map<string, string[]>();
    for (const { rule, reason } of notTested) reasons.set(reason, [...(reasons.get(reason) ?? []), rule]);
    parts.push(
      [
        paint.dim("not tested"),
        ...[...reasons].map(([reason, ids]) => paint.dim(`  ${ids.join(", ")}: ${reason}`)),
      ].join("\n"),
    );
  }
  parts.push(summary(report, tested.length, paint));
  return parts.join("\n\n");
}

function summary({ findings, ok }: Report, tested: number, paint: Paint): string {
  const count = (s: Finding["severity"]) => findings.filter((f) => f.severity === s).length;
  const [errors, warnings, infos] = [count("error"), count("warning"), count("info")];
  const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const words = [plural(errors, "error"), plural(warnings, "warning"), plural(infos, "convention")].join(", ");
  return ok
    ? paint.green(`✔ ${tested - warnings} rules hold: ${words}`)
    : paint.red(`✖ ${words} (${tested} rules tested)`);
}

function findingText(f: Finding, paint: Paint): string {
  const [sign, colour] =
    f.severity === "error" ? ["✖", paint.red] : f.severity === "warning" ? ["▲", paint.yellow] : ["i", paint.cyan];
  const bar = (text: string) => text.split("\n").map((line) => `  ${paint.dim("│")} ${line}`.trimEnd());
  return [
    `${colour(`${sign} ${paint.bold(f.rule)}`)} ${paint.dim(f.severity === "info" ? "convention" : f.severity)}`,
    `  ${f.message}`,
    ...bar(f.evidence),
    `  ${paint.bold("Fix:")} ${f.fix}.`,
    `  ${paint.dim(f.reference)}`,
    ...(f.consequences ?? []).map((c) => `  ${paint.dim(`↳ follows: ${c.rule}: ${c.message}`)}`),
  ].join("\n");
}
