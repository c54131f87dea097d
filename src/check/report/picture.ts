/** @file Maps as text: ■ a pair that attends, · one that does not, ! not a number. */

const mark = (w: number): string => (Number.isNaN(w) || !Number.isFinite(w) ? "!" : w > 0 ? "■" : w < 0 ? "−" : "·");

/** Two maps of [queries][keys] side by side. */
export function sideBySide(expected: number[][], found: number[][]): string {
  const left = expected.map((row) => row.map(mark).join(" "));
  const right = found.map((row) => row.map(mark).join(" "));
  const width = Math.max("expected".length, ...left.map((l) => l.length)) + 3;
  const lines = Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    `${(left[i] ?? "").padEnd(width)}${right[i] ?? ""}`.trimEnd(),
  );
  return [`${"expected".padEnd(width)}found`, ...lines].join("\n");
}

/** A map with its numbers, three digits each. */
export function numbers(map: number[][]): string {
  return map.map((row) => row.map((x) => number(x).padStart(7)).join(" ")).join("\n");
}

/** Short: 0.731, 1.2e-9, NaN. */
export function number(x: number): string {
  if (!Number.isFinite(x)) return String(x);
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 1e5 || size < 1e-3 ? x.toExponential(1) : x.toFixed(size >= 100 ? 1 : 3);
}
