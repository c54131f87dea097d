/**
 * @file The layout of the line view: tokens that look on the left, tokens looked at on the right, a curve for every weight
 * at or above `least`. What is left out is counted, so that the legend can say so.
 */
import type { Label, Line, Measure, Scene } from "./scene.js";
import { shortened } from "./tokens.js";

export interface LinesOptions {
  rows: readonly string[];
  columns: readonly string[];
  /** [heads, rows, columns] of one layer. */
  values: Float32Array;
  heads: readonly number[];
  least: number;
  /** Instead of `least`: of each row the fewest lines that carry this share of its weight. */
  mass?: number | undefined;
  width: number;
  measure: Measure;
  says: string;
  /** Only this token's lines: hovered or chosen. */
  query: number;
}

export interface LinesScene extends Scene {
  /** Weight drawn, as a share of all weight of the chosen heads. */
  drawn: number;
}

const longestLabel = 18;

/** The smallest weight among the fewest that carry a share of a row. */
function leastOf(row: Float32Array, mass: number): number {
  const order = row.filter((w) => w > 0).sort().reverse(); // biome-ignore format: one list
  const total = order.reduce((a, b) => a + b, 0);
  let [sum, n] = [0, 0];
  while (n < order.length && sum < mass * total - 1e-9) sum += order[n++]!;
  return n > 0 ? order[n - 1]! : Number.POSITIVE_INFINITY;
}

export function linesScene(o: LinesOptions): LinesScene {
  const most = Math.max(o.rows.length, o.columns.length);
  const pitch = most <= 40 ? 26 : most <= 120 ? 20 : 16;
  const size = pitch >= 26 ? 15 : pitch >= 20 ? 13 : 11.5;
  const narrow = o.width < 480;
  const room = (labels: readonly string[]): number =>
    Math.min(
      o.width * 0.3,
      Math.max(36, ...labels.slice(0, 500).map((l) => o.measure(shortened(l, longestLabel), size))),
    );
  const [leftRoom, rightRoom] = [room(o.rows), room(o.columns)];
  const numbers = narrow ? 40 : 56;
  const gap = Math.max(80, Math.min(460, o.width - leftRoom - rightRoom - numbers - 48));
  const x1 = leftRoom + 20;
  const x2 = x1 + gap;
  const at = (n: number): number => 20 + n * pitch;
  const [R, C] = [o.rows.length, o.columns.length];
  const lines: Line[] = [];
  let all = 0;
  let drawn = 0;
  for (const head of o.heads) {
    for (let i = 0; i < R; i++) {
      const start = (head * R + i) * C;
      const least = o.mass === undefined ? o.least : leastOf(o.values.subarray(start, start + C), o.mass);
      for (let j = 0; j < C; j++) {
        const weight = o.values[start + j]!;
        if (!(weight > 0)) continue;
        all += weight;
        if (weight < least) continue;
        drawn += weight;
        lines.push({ x1, y1: at(i), x2, y2: at(j), weight, head, query: i, key: j });
      }
    }
  }
  const labels: Label[] = [];
  const label = (text: string, n: number, side: "query" | "key"): void => {
    const short = shortened(text, longestLabel);
    const left = side === "query";
    labels.push({
      x: left ? x1 - 10 : x2 + 10,
      y: at(n),
      text: short,
      align: left ? "right" : "left",
      size,
      tone: "ink",
      length: o.measure(short, size),
      target: left ? { query: n } : { key: n },
      side,
    });
  };
  o.rows.forEach((t, n) => { label(t, n, "query"); }); // biome-ignore format: one line a side
  o.columns.forEach((t, n) => { label(t, n, "key"); }); // biome-ignore format: one line a side
  if (o.query >= 0 && o.query < R) {
    for (let j = 0; j < C; j++) {
      const shown = o.heads.map((h) => o.values[(h * R + o.query) * C + j]!);
      const mean = shown.reduce((a, b) => a + (b || 0), 0) / shown.length;
      if (shown.every(Number.isNaN) || mean < 0.0005) continue;
      labels.push({
        x: x2 + rightRoom + numbers,
        y: at(j),
        text: mean.toFixed(3),
        align: "right",
        size: size - 2,
        tone: "soft",
        length: 30,
      });
    }
  }
  return {
    width: Math.ceil(x2 + rightRoom + numbers + 8),
    height: Math.ceil(at(most - 1) + 20),
    says: o.says,
    plot: { x: 0, y: 0, width: 0, height: 0 },
    cells: [],
    lines,
    labels,
    drawn: all > 0 ? drawn / all : 1,
  };
}
