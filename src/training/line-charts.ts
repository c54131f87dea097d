/**
 * @file Line charts as text: what the reports of training runs are drawn with, in a page and as a file of their own.
 *
 * Every axis has its name with its unit, every line its name at its end and a dash of its own, so that no reader depends on
 * colour (Okabe & Ito 2008, deepened on white and lightened on black). The drawing follows the reader's light or dark scheme.
 */

/** How a line is drawn, by name: the same thing looks the same in every chart. */
export type Style = "a" | "b" | "c" | "d" | "e";

export interface Line {
  /** Stands at its end. */
  name: string;
  style: Style;
  points: readonly { x: number; y: number }[];
}

export interface LineChart {
  title: string;
  /** Names of the axes, with their units. */
  x: string;
  y: string;
  lines: readonly Line[];
  /** Powers of ten on the y axis. */
  log?: boolean;
  /** Shares of one, written in per cent; the axis runs from 0 to 100 %. */
  share?: boolean;
  /** A level to compare with: guessing. */
  level?: { y: number; name: string };
  /** Smallest and largest number of the y axis, where several charts share one. */
  between?: readonly [number, number];
}

export const chartSize = { width: 440, height: 290 } as const;
const box = { left: 62, top: 34, right: 92, bottom: 46 };
const plot = { w: chartSize.width - box.left - box.right, h: chartSize.height - box.top - box.bottom };

const colours: Record<Style, readonly [light: string, dark: string, dash: string]> = {
  a: ["#c14a00", "#f2a35c", "7 3"],
  b: ["#0067a8", "#6db7f2", "2 3"],
  c: ["#8b2f7f", "#e38ac2", "none"],
  d: ["#00795a", "#4fc9a4", "9 3 2 3"],
  e: ["#555", "#bbb", "1 4"],
};

/** The rules that charts are drawn by; once a page, or once a file. */
export function chartStyle(): string {
  const light = Object.entries(colours).map(
    ([s, [c, , dash]]) =>
      `.line-${s}{stroke:${c};stroke-dasharray:${dash}}.qkv-chart .name-${s}{fill:${c};font-weight:600}`,
  );
  const dark = Object.entries(colours).map(([s, [, c]]) => `.line-${s}{stroke:${c}}.qkv-chart .name-${s}{fill:${c}}`);
  return (
    ".qkv-chart text{font:12.5px system-ui,sans-serif;fill:#1b1b1b}.qkv-chart .title{font-size:14.5px;font-weight:600}" +
    `.qkv-chart .grid{stroke:#dcdcdc}.qkv-chart .level{stroke:#666;stroke-dasharray:4 4}.qkv-chart .ground{fill:#fff}` +
    `.qkv-chart [class^=line-]{fill:none;stroke-width:2}${light.join("")}` +
    "@media(prefers-color-scheme:dark){.qkv-chart text{fill:#e8e8e8}.qkv-chart .grid{stroke:#3a3d44}.qkv-chart .level{stroke:#aaa}" +
    `.qkv-chart .ground{fill:#16181c}${dark.join("")}}`
  );
}

/** One chart as the inside of an SVG of `chartSize`. */
export function lineChart(c: LineChart): string {
  const all = c.lines.flatMap((l) => l.points).filter((p) => Number.isFinite(p.y) && (!c.log || p.y > 0));
  const [x0, x1] = [Math.min(0, ...all.map((p) => p.x)), Math.max(1, ...all.map((p) => p.x))];
  const [y0, y1] = range(c, all);
  const share = (v: number): number => ((c.log ? Math.log10(Math.max(v, 1e-300)) : v) - y0) / (y1 - y0 || 1);
  const X = (v: number): number => round(box.left + ((v - x0) / (x1 - x0 || 1)) * plot.w);
  const Y = (v: number): number => round(box.top + plot.h * (1 - Math.min(1, Math.max(0, share(v)))));
  const right = box.left + plot.w;
  const foot = box.top + plot.h;
  const level = c.level === undefined ? "" : `<line class="level" x1="${box.left}" x2="${right}" y1="${Y(c.level.y)}" y2="${Y(c.level.y)}"/>`; // biome-ignore format: one line
  const across = levels(c, y0, y1).map(
    (v) =>
      `<line class="grid" x1="${box.left}" x2="${right}" y1="${Y(v)}" y2="${Y(v)}"/><text x="${box.left - 7}" y="${Y(v) + 4}" text-anchor="end">${written(c, v)}</text>`,
  );
  const along = even(x0, x1, 5).map(
    (v) => `<text x="${X(v)}" y="${foot + 17}" text-anchor="middle">${v.toLocaleString("en")}</text>`,
  );
  const drawn = c.lines.map(({ style, points }) => {
    const shown = points.filter((p) => Number.isFinite(p.y) && (!c.log || p.y > 0));
    return `<path class="line-${style}" d="${shown.map((p, n) => `${n === 0 ? "M" : "L"}${X(p.x)} ${Y(p.y)}`).join("")}"/>`;
  });
  const ends = c.lines.flatMap((l) => {
    const last = l.points.at(-1);
    return last === undefined ? [] : [{ text: l.name, css: `name-${l.style}`, y: Y(last.y) }];
  });
  if (c.level) ends.push({ text: c.level.name, css: "", y: Y(c.level.y) });
  const names = apart(ends, foot).map(
    (e) => `<text class="${e.css}" x="${right + 6}" y="${e.y + 4}">${escaped(e.text)}</text>`,
  );
  return (
    `<text class="title" x="4" y="16">${escaped(c.title)}</text>${across.join("")}${along.join("")}${level}${drawn.join("")}${names.join("")}` +
    `<text x="${box.left + plot.w / 2}" y="${chartSize.height - 8}" text-anchor="middle">${escaped(c.x)}</text>` +
    `<text transform="translate(13 ${box.top + plot.h / 2}) rotate(-90)" text-anchor="middle">${escaped(c.y)}</text>`
  );
}

/** A chart as an SVG in a page, as wide as there is room; `says` is for those who do not see it. */
export function chartInPage(c: LineChart, says: string): string {
  const { width, height } = chartSize;
  return `<svg class="qkv-chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${c.title}. ${says}`)}">${lineChart(c)}</svg>`;
}

/** Charts as one file, two a row, with a title above and words beneath. */
export function chartFile(title: string, charts: readonly LineChart[], words: readonly string[]): string {
  const columns = Math.min(2, charts.length);
  const width = columns * chartSize.width + 24;
  const lines = words.flatMap((w) => wrapped(w, Math.floor((width - 32) / 6.4)));
  const top = 44;
  const foot = top + Math.ceil(charts.length / columns) * (chartSize.height + 12);
  const height = foot + 18 * lines.length + 14;
  const placed = charts.map(
    (c, n) =>
      `<g transform="translate(${12 + (n % columns) * chartSize.width} ${top + Math.floor(n / columns) * (chartSize.height + 12)})">${lineChart(c)}</g>`,
  );
  const said = lines.map((l, n) => `<text x="16" y="${foot + 18 * (n + 1)}">${escaped(l)}</text>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="qkv-chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">` +
    `<title>${escaped(title)}</title><desc>${escaped(words.join(" "))}</desc><style>${chartStyle()}</style><rect class="ground" width="100%" height="100%"/>` +
    `<text class="title" x="16" y="28">${escaped(title)}</text>${placed.join("")}${said.join("")}</svg>\n`
  );
}

export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

/** Means of neighbours, so that a line has at most 120 points. */
export function thinned(points: readonly { x: number; y: number }[]): { x: number; y: number }[] {
  const size = Math.max(1, Math.ceil(points.length / 120));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, n) => {
    const part = points.slice(n * size, (n + 1) * size);
    return { x: part.at(-1)!.x, y: part.reduce((sum, p) => sum + p.y, 0) / part.length };
  });
}

/** Ends of the y axis: numbers, or exponents of ten. */
function range(c: LineChart, all: readonly { y: number }[]): [number, number] {
  if (c.share) return [0, 1];
  const ys = c.between ?? all.map((p) => p.y);
  if (!c.log) return [0, Math.max(1e-12, ...ys, c.level?.y ?? 0) * 1.05];
  if (ys.length === 0) return [-1, 0];
  return [Math.floor(Math.log10(Math.min(...ys))), Math.ceil(Math.log10(Math.max(...ys)))];
}

function levels(c: LineChart, y0: number, y1: number): number[] {
  if (c.share) return [0, 0.25, 0.5, 0.75, 1];
  if (!c.log) return even(0, y1, 5);
  const step = Math.max(1, Math.ceil((y1 - y0) / 6));
  return Array.from({ length: Math.floor((y1 - y0) / step) + 1 }, (_, n) => 10 ** (y0 + n * step));
}

function written(c: LineChart, v: number): string {
  if (c.share) return `${Math.round(100 * v)} %`;
  if (!c.log) return String(Number(v.toPrecision(3)));
  const power = String(Math.round(Math.log10(v)));
  return `10${power.replace(/[-0-9]/g, (d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]!))}`;
}

/** Round numbers between two others, about so many. */
function even(from: number, to: number, about: number): number[] {
  const rough = (to - from) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999)!;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, n) => round((first + n) * step, 1e6));
}

/** Names moved apart where they would lie on one another, none below the axis. */
function apart<T extends { y: number }>(names: readonly T[], foot: number): T[] {
  const gap = 15;
  const sorted = names.map((n) => ({ ...n })).sort((a, b) => a.y - b.y);
  for (let n = 1; n < sorted.length; n++) sorted[n]!.y = Math.max(sorted[n]!.y, sorted[n - 1]!.y + gap);
  let low = foot;
  for (let n = sorted.length - 1; n >= 0; n--) {
    sorted[n]!.y = Math.min(sorted[n]!.y, low);
    low = sorted[n]!.y - gap;
  }
  return sorted;
}

function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1)!.length + word.length + 1 > width && lines.at(-1)) lines.push("");
    lines[lines.length - 1] = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
  }
  return lines;
}

const round = (x: number, to = 10): number => Math.round(x * to) / to;
