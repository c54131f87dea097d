/**
 * @file A comparison as curves over length: time, scratch memory, error and mass kept, a panel each, one key for all.
 * The drawing follows the reader's light or dark scheme by itself, in a page and as a file.
 */
import type { Comparison, Measurement } from "../../attention/efficient/compare.js";

type Rows = readonly Measurement[];

/** One thing that is plotted: its number in a row (undefined = none), how the axis says it, its scale. */
interface Quantity {
  title: string;
  of(row: Measurement): number | undefined;
  say(value: number): string;
  scale: "logarithmic" | "share";
  /** 10th to 90th percentile of a row, drawn as a bar. */
  spread?(row: Measurement): readonly [number, number];
}

const quantities: readonly Quantity[] = [
  {
    title: "time, ms (bar 10–90 %; ring: faster from here on)",
    of: (r) => r.milliseconds,
    say: short,
    scale: "logarithmic",
    spread: (r) => [r.low, r.high],
  },
  { title: "scratch memory beside the result", of: (r) => r.memory, say: bytes, scale: "logarithmic" },
  {
    title: "error, ‖output − exact‖ / ‖exact‖",
    of: (r) => (r.mechanism === "exact" || r.error < 1e-5 ? undefined : r.error),
    say: (x) => String(Number(x.toPrecision(2))),
    scale: "logarithmic",
  },
  {
    title: "share of exact attention's weight that is seen",
    of: (r) => r.massKept,
    say: (x) => `${Math.round(100 * x)} %`,
    scale: "share",
  },
];

const [width, height] = [430, 300];
const box = { left: 62, top: 34, w: width - 62 - 18, h: height - 34 - 44 };

/** Colours that stay apart for most eyes (Okabe & Ito 2008) on either ground; exact attention has the colour of the text. */
const colours = ["0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9"];

function style(n: number): string {
  if (n === 0) return 'stroke="currentColor" stroke-width="2.5"';
  const dashes = ["", ' stroke-dasharray="7 3"', ' stroke-dasharray="2 3"'][Math.floor((n - 1) / colours.length) % 3];
  return `stroke="#${colours[(n - 1) % colours.length]}" stroke-width="2"${dashes}`;
}

const scheme =
  "<style>.qkv-plot{color:#1a1a1a;background:#fff;font:12px sans-serif}.qkv-plot text{fill:currentColor}.qkv-plot .grid{stroke:#8884}" +
  "@media(prefers-color-scheme:dark){.qkv-plot{color:#e8e8e8;background:#16181c}}</style>";

function open(w: number, h: number, title: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" class="qkv-plot" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img"><title>${title}</title>${scheme}`;
}

/** All four panels and the key in one picture. */
export function comparisonSvg(said: Comparison): string {
  const placed = quantities.map(
    (q, n) => `<g transform="translate(${(n % 2) * width},${Math.floor(n / 2) * height})">${panel(said, q)}</g>`,
  );
  const key = keyOf(said, 2 * width);
  return [
    open(2 * width, 2 * height + key.height, "Attention mechanisms by length: time, memory, error, mass kept"),
    ...placed,
    `<g transform="translate(0,${2 * height})">${key.drawn}</g>`,
    "</svg>",
  ].join("\n");
}

/** The panels apart, so that a page can put them side by side or one under the other; the key comes first. */
export function comparisonPanels(said: Comparison): string[] {
  const key = keyOf(said, width);
  return [
    `${open(width, key.height, "key")}${key.drawn}</svg>`,
    ...quantities.map((q) => `${open(width, height, q.title)}${panel(said, q)}</svg>`),
  ];
}

const namesOf = (rows: Rows) => [...new Set(rows.map((r) => r.mechanism))];

function keyOf({ rows }: Comparison, across: number): { drawn: string; height: number } {
  const columns = Math.floor(across / 140);
  const names = namesOf(rows);
  const drawn = names.map((name, n) => {
    const [x, y] = [14 + (n % columns) * 140, 14 + 20 * Math.floor(n / columns)];
    return `<line x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}" ${style(n)}/><text x="${x + 34}" y="${y + 4}">${name}</text>`;
  });
  return { drawn: drawn.join(""), height: 24 + 20 * Math.ceil(names.length / columns) };
}

function panel(said: Comparison, quantity: Quantity): string {
  const rows = said.rows.filter((r) => quantity.of(r) !== undefined);
  const lengths = [...new Set(said.rows.map((r) => r.length))].sort((a, b) => a - b);
  const values = rows.flatMap((r) => [quantity.of(r)!, ...(quantity.spread?.(r) ?? [])]);
  const heading = `<text x="${box.left}" y="18"><tspan font-weight="600">${firstWords(quantity.title)}</tspan>${rest(quantity.title)}</text>`;
  if (values.length === 0) return `${heading}<text x="${box.left}" y="60">nothing differs from exact attention</text>`;
  const [low, high] = quantity.scale === "share" ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const x = (length: number) => box.left + box.w * share(length, lengths[0]!, lengths.at(-1)!);
  const y = (v: number) => box.top + box.h * (1 - (quantity.scale === "share" ? v : share(v, low, high)));
  const names = namesOf(said.rows);
  return [
    heading,
    ...ticksOf(quantity.scale, low, high).map((v) => `<line class="grid" x1="${box.left}" x2="${box.left + box.w}" y1="${at(y(v))}" y2="${at(y(v))}"/><text x="${box.left - 6}" y="${at(y(v) + 4)}" text-anchor="end">${quantity.say(v)}</text>`),
    ...lengths.map((l) => `<text x="${at(x(l))}" y="${box.top + box.h + 18}" text-anchor="middle">${l}</text>`),
    `<text x="${box.left + box.w / 2}" y="${box.top + box.h + 36}" text-anchor="middle">tokens</text>`,
    ...names.map((name, n) => curve(rows.filter((r) => r.mechanism === name), quantity, x, y, n)),
    ...(quantity.spread ? rings(said, x, y, names) : []),
  ].join(""); // biome-ignore format: one element a line
}

function curve(
  rows: Rows,
  { of, spread }: Quantity,
  x: (length: number) => number,
  y: (value: number) => number,
  n: number,
): string {
  const points = rows.map((r) => `${at(x(r.length))},${at(y(of(r)!))}`);
  const line = points.length > 1 ? `<polyline fill="none" points="${points.join(" ")}" ${style(n)}/>` : "";
  const dots = rows.map(
    (r) => `<circle cx="${at(x(r.length))}" cy="${at(y(of(r)!))}" r="1.5" fill="none" ${style(n)}/>`,
  );
  const bars = spread
    ? rows.map((r) => {
        const [from, to] = spread(r).map((v) => at(y(v)));
        return `<line x1="${at(x(r.length))}" x2="${at(x(r.length))}" y1="${from}" y2="${to}" ${style(n)} opacity=".4"/>`;
      })
    : [];
  return line + dots.join("") + bars.join(""); // biome-ignore format: one element a line
}

/** A ring on the curve of each mechanism at its crossover length. */
function rings({ rows, crossover }: Comparison, x: (l: number) => number, y: (v: number) => number, names: string[]) {
  return crossover.flatMap(({ mechanism, length }) => {
    const row = rows.find((r) => r.mechanism === mechanism && r.length === length);
    if (!row) return [];
    return [`<circle cx="${at(x(row.length))}" cy="${at(y(row.milliseconds))}" r="6" fill="none" ${style(names.indexOf(mechanism)).replace(/ stroke-dasharray="[^"]*"/, "")}/>`]; // biome-ignore format: one element
  });
}

const at = (n: number) => n.toFixed(1);
const firstWords = (title: string) => title.split(/(?=[,(])/)[0]!;
const rest = (title: string) => title.slice(firstWords(title).length);

/** Powers of ten, and 2 and 5 between them where there are few. */
function ticksOf(scale: Quantity["scale"], low: number, high: number): number[] {
  if (scale === "share") return [0, 0.25, 0.5, 0.75, 1];
  const within = (factors: readonly number[]) => {
    const out: number[] = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const f of factors) if (f * 10 ** e >= low && f * 10 ** e <= high) out.push(Number((f * 10 ** e).toPrecision(1)));
    return out;
  };
  const tens = within([1]);
  if (tens.length > 2) return tens;
  const more = within([1, 2, 5]);
  return more.length > 1 ? more : [low, high];
} // biome-ignore format: loops

/** Where x lies between two numbers on a logarithmic scale, from 0 to 1. */
export function share(x: number, low: number, high: number): number {
  return high > low && low > 0 ? (Math.log(x) - Math.log(low)) / (Math.log(high) - Math.log(low)) : 0.5;
}

/** Milliseconds with three digits. */
export function short(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : String(Number(ms.toPrecision(3)));
}

/** Bytes in units of a thousand. */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const [by, unit] = n >= 1e9 ? [1e9, "GB"] : n >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${Number((n / by).toPrecision(3))} ${unit}`;
}
