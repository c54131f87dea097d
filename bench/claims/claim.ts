/** @file How a claim is put to the test: what the paper says, what was measured here, and whether it holds; one line each. */
export interface Finding {
  /** What is claimed, with its place. */
  claim: string;
  target: string;
  measured: string;
  holds: boolean;
}

/** Prints findings, as text or, with --json, as JSON; the exit code is 1 when one does not hold. */
export function report(title: string, conditions: string, findings: readonly Finding[]): void {
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ title, conditions, findings }));
  } else {
    console.log(`${title}\n${conditions}\n`);
    for (const f of findings)
      console.log(
        `${f.holds ? "holds  " : "REFUTED"}  ${f.claim}\n         claimed ${f.target} · measured ${f.measured}`,
      );
  }
  if (findings.some((f) => !f.holds)) process.exitCode = 1;
}

/** Digits that are worth reading. */
export function digits(x: number, n = 4): string {
  return Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5 ? String(Number(x.toPrecision(n))) : x.toExponential(n - 1);
}

/** Slope of the least-squares line through (ln x, ln y). */
export function logSlope(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (f: (p: readonly [number, number]) => number) => logs.reduce((s, p) => s + f(p), 0) / logs.length;
  const [mx, my] = [mean((p) => p[0]), mean((p) => p[1])];
  return mean((p) => (p[0] - mx) * (p[1] - my)) / mean((p) => (p[0] - mx) ** 2);
}
