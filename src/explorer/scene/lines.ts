/**
 * @file The layout of the line view: tokens that look in one column (or row), tokens looked at in another, a curve for every
 * weight at or above `least`. What is left out is counted, so that the legend can say so. Where things stand does not depend
 * on which heads are drawn: each head's curves are laid out once, and a scene is a choice among them.
 */
import { type Label, type Line, type Measure, type Scene, sceneOf } from "./scene.js";
import { shortened } from "./tokens.js";

/** A layer, and how its lines are drawn. */
export interface LinesOptions {
  rows: readonly string[];
  columns: readonly string[];
  /** [heads, rows, columns] of one layer. */
  values: Float32Array;
  least: number;
  /** Instead of `least`: of each row the fewest lines that carry this share of its weight. */
  mass?: number | undefined;
  width: number;
  measure: Measure;
  /** Tokens in two rows, one above the other, instead of two columns; `rtl`: from the right. */
  across?: boolean;
  rtl?: boolean;
}

/** What of it is shown. */
export interface LinesShown {
  heads: readonly number[];
  says: string;
  /** The token whose weights are written out: hovered or chosen; −1 = none. */
  query: number;
}

export interface LinesScene extends Scene {
  /** Weight drawn, as a share of all weight of the chosen heads. */
  drawn: number;
}

/** Where the ends of lines and what stands beside them go. */
interface Frame {
  width: number;
  height: number;
  size: number;
  end(n: number, side: "query" | "key"): { x: number; y: number };
  label(n: number, side: "query" | "key"): Pick<Label, "x" | "y" | "align" | "upright">;
  /** A number beside a key. */
  figure(n: number): Pick<Label, "x" | "y" | "align" | "upright">;
}

const longestLabel = 18;

/** @returns the scene of some heads of a layer; asked again for other heads it lays out only what is new */
export function linesLayout(o: LinesOptions): (shown: LinesShown) => LinesScene {
  const f = o.across ? inRows(o) : inColumns(o);
  const labels = [
    ...o.rows.map((t, n) => labelOf(o, f, t, n, "query")),
    ...o.columns.map((t, n) => labelOf(o, f, t, n, "key")),
  ];
  const laid = new Map<number, HeadLines>();
  const head = (h: number): HeadLines => {
    let own = laid.get(h);
    if (!own) laid.set(h, (own = linesOf(o, f, h)));
    return own;
  };
  return ({ heads, says, query }) => {
    const chosen = heads.map(head);
    const all = chosen.reduce((sum, c) => sum + c.all, 0);
    const figures = figuresOf(o, f, heads, query);
    return {
      ...sceneOf({
        width: f.width,
        height: f.height,
        says,
        lines: chosen.flatMap((c) => c.lines),
        byHead: new Map(heads.map((h, n) => [h, chosen[n]!.lines])),
        ...(o.across && { down: true }),
        labels: figures.length > 0 ? [...labels, ...figures] : labels,
      }),
      drawn: all > 0 ? chosen.reduce((sum, c) => sum + c.drawn, 0) / all : 1,
    };
  };
}

/** The scene of some heads of a layer. */
export const linesScene = (o: LinesOptions & LinesShown): LinesScene => linesLayout(o)(o);

function labelOf(o: LinesOptions, f: Frame, text: string, n: number, side: "query" | "key"): Label {
  const short = shortened(text, longestLabel);
  const target = side === "query" ? { query: n } : { key: n };
  return { ...f.label(n, side), text: short, size: f.size, tone: "ink", length: o.measure(short, f.size), target, side }; // biome-ignore format: one label
}

/** The weights of the token asked, beside its keys: of several heads their mean. */
function figuresOf(o: LinesOptions, f: Frame, heads: readonly number[], query: number): Label[] {
  const [R, C] = [o.rows.length, o.columns.length];
  const figures: Label[] = [];
  for (let j = 0; query >= 0 && query < R && j < C; j++) {
    const shown = heads.map((h) => o.values[(h * R + query) * C + j]!);
    const mean = shown.reduce((a, b) => a + (b || 0), 0) / shown.length;
    if (shown.every(Number.isNaN) || mean < 0.0005) continue;
    figures.push({ ...f.figure(j), text: mean.toFixed(3), size: f.size - 2, tone: "soft", length: 30 });
  }
  return figures;
}

/** A head's lines; all its weight, and what of it they carry. */
interface HeadLines {
  lines: Line[];
  all: number;
  drawn: number;
}

function linesOf(o: LinesOptions, f: Frame, head: number): HeadLines {
  const [R, C] = [o.rows.length, o.columns.length];
  const ends = (n: number, side: "query" | "key") => Array.from({ length: n }, (_, i) => f.end(i, side));
  const [from, to] = [ends(R, "query"), ends(C, "key")];
  const lines: Line[] = [];
  let [all, drawn] = [0, 0];
  for (let i = 0; i < R; i++) {
    const start = (head * R + i) * C;
    const least = o.mass === undefined ? o.least : leastOf(o.values.subarray(start, start + C), o.mass);
    for (let j = 0; j < C; j++) {
      const weight = o.values[start + j]!;
      if (!(weight > 0)) continue;
      all += weight;
      if (weight < least) continue;
      drawn += weight;
      lines.push({ x1: from[i]!.x, y1: from[i]!.y, x2: to[j]!.x, y2: to[j]!.y, weight, head, query: i, key: j });
    }
  }
  return { lines, all, drawn };
}

/** The smallest weight among the fewest that carry a share of a row. */
function leastOf(row: Float32Array, mass: number): number {
  const order = row.filter((w) => w > 0).sort().reverse(); // biome-ignore format: one list
  const total = order.reduce((a, b) => a + b, 0);
  let [sum, n] = [0, 0];
  while (n < order.length && sum < mass * total - 1e-9) sum += order[n++]!;
  return n > 0 ? order[n - 1]! : Number.POSITIVE_INFINITY;
}

/** Room of the longest label. */
const roomOf = (o: LinesOptions, labels: readonly string[], size: number, most: number): number =>
  Math.min(most, Math.max(36, ...labels.slice(0, 500).map((l) => o.measure(shortened(l, longestLabel), size))));

/** Left looks, right is looked at. */
function inColumns(o: LinesOptions): Frame {
  const most = Math.max(o.rows.length, o.columns.length);
  const pitch = most <= 40 ? 26 : most <= 120 ? 20 : 16;
  const size = pitch >= 26 ? 15 : pitch >= 20 ? 13 : 11.5;
  const [leftRoom, rightRoom] = [roomOf(o, o.rows, size, o.width * 0.3), roomOf(o, o.columns, size, o.width * 0.3)];
  const numbers = o.width < 480 ? 40 : 56;
  const gap = Math.max(80, Math.min(460, o.width - leftRoom - rightRoom - numbers - 48));
  const x1 = leftRoom + 20;
  const x2 = x1 + gap;
  const y = (n: number): number => 20 + n * pitch;
  return {
    width: Math.ceil(x2 + rightRoom + numbers + 8),
    height: Math.ceil(y(most - 1) + 20),
    size,
    end: (n, side) => ({ x: side === "query" ? x1 : x2, y: y(n) }),
    label: (n, side) => side === "query" ? { x: x1 - 10, y: y(n), align: "right" } : { x: x2 + 10, y: y(n), align: "left" }, // biome-ignore format: two sides
    figure: (n) => ({ x: x2 + rightRoom + numbers, y: y(n), align: "right" }),
  };
}

/** Above looks, below is looked at; tokens are written upwards where they would not fit side by side. */
function inRows(o: LinesOptions): Frame {
  const most = Math.max(o.rows.length, o.columns.length);
  const wide = (n: number): number => Math.max(40, ...[o.rows[n], o.columns[n]].map((l) => o.measure(shortened(l ?? "", longestLabel), 15))) + 14; // biome-ignore format: one rule
  const widths = Array.from({ length: most }, (_, n) => wide(n));
  const upright = widths.reduce((a, b) => a + b, 16) > o.width;
  const size = upright ? 12.5 : 15;
  if (upright) widths.fill(Math.max(16, Math.min(22, (o.width - 16) / most)));
  const middles: number[] = [];
  let width = 8;
  for (const w of widths) {
    middles.push(width + w / 2);
    width += w;
  }
  width = Math.ceil(width + 8);
  const x = (n: number): number => (o.rtl ? width - middles[n]! : middles[n]!);
  const [above, below] = [o.rows, o.columns].map((l) => (upright ? roomOf(o, l, size, 140) : 18)) as [number, number];
  const y1 = above + 20;
  const y2 = y1 + Math.max(140, Math.min(320, o.width * 0.4));
  const label = (n: number, side: "query" | "key"): ReturnType<Frame["label"]> => {
    if (!upright) return { x: x(n), y: side === "query" ? y1 - 16 : y2 + 16, align: "center" };
    return side === "query"
      ? { x: x(n), y: y1 - 8, align: "left", upright }
      : { x: x(n), y: y2 + 8, align: "right", upright };
  };
  return {
    width,
    height: Math.ceil(y2 + below + (upright ? 52 : 44)),
    size,
    end: (n, side) => ({ x: x(n), y: side === "query" ? y1 : y2 }),
    label,
    figure: (n) => upright ? { x: x(n), y: y2 + below + 16, align: "right", upright } : { x: x(n), y: y2 + 38, align: "center" }, // biome-ignore format: two ways
  };
}
