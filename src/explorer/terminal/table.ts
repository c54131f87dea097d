/** @file Numbers beside the picture: who each token looks at most, and a head in one line. */
import { type ColourDepth, paint, weightColour } from "./colour.js";
import { fitted, shownToken, textWidth } from "./label.js";

/** The `top` largest weights of a row, largest first; equal ones in order of position. */
export function topKeys(row: ArrayLike<number>, top: number): { key: number; weight: number }[] {
  return Array.from(row, (weight, key) => ({ key, weight }))
    .filter((x) => x.weight > 0)
    .sort((a, b) => b.weight - a.weight || a.key - b.key)
    .slice(0, top);
}

/** Lines "query → key 0.731059 · key 0.2…", a line a query. */
export function drawTable(
  weights: Float32Array,
  rows: readonly string[],
  columns: readonly string[],
  top: number,
): string[] {
  const Lk = columns.length;
  const labels = Math.min(16, Math.max(...rows.map((r) => textWidth(shownToken(r)))));
  return rows.map((r, i) => {
    const keys = topKeys(weights.subarray(i * Lk, (i + 1) * Lk), top);
    const named = keys.map(({ key, weight }) => `${shownToken(columns[key]!).trim()}@${key} ${weight.toFixed(4)}`);
    return `${String(i).padStart(4)} ${fitted(shownToken(r), labels)} → ${named.join("  ") || "nothing: every key is masked"}`;
  });
}

/** Distances a line of bars shows: `back` = 3 is the third token before; negative = after. */
export function distances(map: Float32Array, queries: number, keys: number, width: number): number[] {
  const offset = keys - queries;
  let ahead = false;
  for (let i = 0; !ahead && i < queries; i++) {
    for (let j = i + offset + 1; !ahead && j < keys; j++) ahead = map[i * keys + j]! > 0;
  }
  const first = ahead ? -Math.min(Math.floor((width - 1) / 2), keys - 1) : 0;
  return Array.from({ length: Math.min(width, keys - first) }, (_, n) => first + n);
}

/**
 * A head in one line: the mean weight on the token at each distance, as bars of eighths scaled to the largest.
 * @param map [Lq, Lk] of one head; NaN = may not attend
 */
export function sparkline(
  map: Float32Array,
  queries: number,
  keys: number,
  back: readonly number[],
  depth: ColourDepth,
): string {
  const offset = keys - queries;
  const means = back.map((distance) => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < queries; i++) {
      const j = i + offset - distance;
      const w = j < 0 || j >= keys ? Number.NaN : map[i * keys + j]!;
      if (Number.isNaN(w)) continue;
      sum += w;
      count++;
    }
    return count === 0 ? 0 : sum / count;
  });
  const largest = Math.max(...means, 1e-9);
  const bars = "▁▂▃▄▅▆▇█";
  return means
    .map((m) => paint(bars[Math.min(7, Math.floor((m / largest) * 7.999))]!, depth, weightColour(Math.max(0.35, m))))
    .join("");
}
