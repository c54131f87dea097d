/** @file A comparison as a table and a plot in the terminal, as SVG, and as one page. */
import type { Comparison, Measurement } from "../../attention/efficient/compare.js";

export interface Said extends Comparison {
  machine: { cpu: string; cores: number; load: number | undefined; node: string };
  model?: { model: string | undefined; layer: number; tokens: number };
}

const marks = "oxSFLBTWRIPA*+#%".split("");

/** What was measured, for a terminal. */
export function comparisonText(said: Said, width: number): string {
  return [conditions(said), "", ...table(said), "", ...plot(said, Math.min(width, 100)), "", ...crossovers(said)].join(
    "\n",
  );
}

function conditions({ machine, conditions: c, model }: Said): string {
  const load = machine.load === undefined ? "" : `, load ${machine.load.toFixed(1)}`;
  const operands = model ? `layer ${model.layer} of ${model.model} reading ${model.tokens} tokens` : c.operands;
  return [
    `H${c.heads} D${c.headDim} ${c.causal ? "causal" : "bidirectional"} f32 · operands: ${operands}`,
    `${machine.cpu}, ${machine.cores} cores${load}, node ${machine.node}, kernel ${c.kernel} · median of up to ${c.repeats} runs in turns after one`,
  ].join("\n");
}

const headings = [
  "length",
  "mechanism",
  "time ms",
  "10–90 %",
  "÷ exact",
  "multiply-adds",
  "scratch",
  "error",
  "kept",
  "notes",
];

function cells(said: Comparison): string[][] {
  const exact = new Map(said.rows.filter((r) => r.mechanism === "exact").map((r) => [r.length, r.milliseconds]));
  return said.rows.map((r) => [
    String(r.length),
    r.mechanism,
    short(r.milliseconds),
    r.runs > 1 ? `${short(r.low)}–${short(r.high)}` : "one run",
    `${(r.milliseconds / exact.get(r.length)!).toFixed(2)}×`,
    r.multiplyAdds.toExponential(2),
    bytes(r.memory),
    r.mechanism === "exact" ? "–" : r.error.toPrecision(2),
    r.massKept === undefined ? "all keys" : `${(100 * r.massKept).toFixed(1)} %`,
    r.notes.join("; "),
  ]);
}

function table(said: Comparison): string[] {
  const rows = [headings, ...cells(said)];
  const widths = headings.map((_, c) => Math.max(...rows.map((r) => r[c]!.length)));
  const line = (r: string[]) =>
    r
      .map((x, c) => (c === 1 || c === 9 ? x.padEnd(widths[c]!) : x.padStart(widths[c]!)))
      .join("  ")
      .trimEnd();
  return rows.flatMap((r, n) => (n > 1 && r[0] !== rows[n - 1]![0] ? ["", line(r)] : [line(r)]));
}

function crossovers({ crossover }: Comparison): string[] {
  return crossover.map(({ mechanism, length, slowerAt }) => {
    if (length === undefined)
      return `${mechanism}: not faster than exact attention at the longest length measured (best runs)`;
    if (slowerAt === undefined)
      return `${mechanism}: faster than exact attention at every length measured, from ${length} on`;
    return `${mechanism}: faster than exact attention from ${length} on (slower at ${slowerAt})`;
  });
}

/** Time over length, both logarithmic. */
function plot(said: Comparison, width: number): string[] {
  const { names, lengths, low, high } = extent(said.rows);
  if (lengths.length < 2) return [];
  const [columns, lines] = [Math.max(20, width - 10), 16];
  const grid = Array.from({ length: lines }, () => new Array<string>(columns).fill(" "));
  for (const r of said.rows) {
    const x = Math.round(share(r.length, lengths[0]!, lengths.at(-1)!) * (columns - 1));
    const y = Math.round((1 - share(r.milliseconds, low, high)) * (lines - 1));
    grid[y]![x] = grid[y]![x] === " " ? marks[names.indexOf(r.mechanism) % marks.length]! : "&";
  }
  const label = (n: number) => (n === 0 ? `${short(high)} ms` : n === lines - 1 ? `${short(low)} ms` : "").padStart(9);
  return [
    ...grid.map((row, n) => `${label(n)} ${row.join("").trimEnd()}`),
    `${" ".repeat(10)}${String(lengths[0]).padEnd(columns - String(lengths.at(-1)).length)}${lengths.at(-1)}  tokens`,
    `${" ".repeat(10)}${names.map((name, n) => `${marks[n % marks.length]} ${name}`).join("  ")}  & several`,
  ];
}

function extent(rows: readonly Measurement[]) {
  const names = [...new Set(rows.map((r) => r.mechanism))];
  const lengths = [...new Set(rows.map((r) => r.length))].sort((a, b) => a - b);
  const times = rows.map((r) => r.milliseconds);
  return { names, lengths, low: Math.min(...times), high: Math.max(...times) };
}

/** Where x lies between two numbers on a logarithmic scale, from 0 to 1. */
function share(x: number, low: number, high: number): number {
  return high > low ? (Math.log(x) - Math.log(low)) / (Math.log(high) - Math.log(low)) : 0.5;
}

/** Colours that stay apart for most eyes (Okabe & Ito 2008), repeated with dashes. */
const colours = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/** The plot as SVG: a line a mechanism, both axes logarithmic, the 10th to 90th percentile as a bar. */
export function comparisonSvg(said: Comparison): string {
  const { names, lengths, low, high } = extent(said.rows);
  const [left, top, w, h] = [70, 20, 520, 340];
  const x = (length: number) => left + w * share(length, lengths[0]!, lengths.at(-1)!);
  const y = (ms: number) => top + h * (1 - share(ms, low, high));
  const at = (n: number) => n.toFixed(1);
  const parts = names.map((name, n) => {
    const own = said.rows.filter((r) => r.mechanism === name);
    const stroke = `stroke="${colours[n % colours.length]}" stroke-width="2"${n >= colours.length ? ' stroke-dasharray="6 3"' : ""}`;
    const points = own.map((r) => `${at(x(r.length))},${at(y(r.milliseconds))}`).join(" ");
    const bars = own.map((r) => `<line x1="${at(x(r.length))}" x2="${at(x(r.length))}" y1="${at(y(Math.max(low, r.low)))}" y2="${at(y(Math.min(high, r.high)))}" ${stroke}/>`); // biome-ignore format: one element
    const key = `<line x1="${left + w + 15}" x2="${left + w + 45}" y1="${top + 8 + 20 * n}" y2="${top + 8 + 20 * n}" ${stroke}/><text x="${left + w + 52}" y="${top + 12 + 20 * n}">${name}</text>`;
    return `<polyline fill="none" points="${points}" ${stroke}/>${bars.join("")}${key}`;
  });
  const ticks = lengths.map((l) => `<text x="${at(x(l))}" y="${top + h + 20}" text-anchor="middle">${l}</text>`);
  const times = powers(low, high).map((ms) => `<line x1="${left}" x2="${left + w}" y1="${at(y(ms))}" y2="${at(y(ms))}" stroke="#ddd"/><text x="${left - 6}" y="${at(y(ms) + 4)}" text-anchor="end">${short(ms)} ms</text>`); // biome-ignore format: one element
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + w + 190}" height="${top + h + 50}" font-family="sans-serif" font-size="12" role="img">`,
    "<title>Time of attention by length in tokens</title>",
    `<rect width="100%" height="100%" fill="#fff"/>${times.join("")}${ticks.join("")}`,
    `<text x="${left + w / 2}" y="${top + h + 42}" text-anchor="middle">tokens</text>`,
    ...parts,
    "</svg>",
  ].join("\n");
}

function powers(low: number, high: number): number[] {
  const out: number[] = [];
  for (let e = Math.ceil(Math.log10(low)); 10 ** e <= high; e++) out.push(10 ** e);
  return out.length > 0 ? out : [low, high];
}

/** Conditions, plot, table and crossover lengths in one page without scripts. */
export function comparisonPage(said: Said): string {
  const safe = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const row = (tag: string, r: string[]) => `<tr>${r.map((c) => `<${tag}>${safe(c)}</${tag}>`).join("")}</tr>`;
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>qkv compare</title>',
    "<style>body{font:15px/1.5 sans-serif;margin:2rem;max-width:70rem}table{border-collapse:collapse}td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid #ddd}td:nth-child(2),td:last-child{text-align:left}svg{max-width:100%;height:auto}</style>",
    `<h1>Which attention pays</h1><p>${safe(conditions(said)).replaceAll("\n", "<br>")}</p>`,
    comparisonSvg(said),
    `<ul>${crossovers(said)
      .map((c) => `<li>${safe(c)}</li>`)
      .join("")}</ul>`,
    `<table>${row("th", headings)}${cells(said)
      .map((r) => row("td", r))
      .join("")}</table></html>\n`,
  ].join("\n");
}

function short(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

function bytes(n: number): string {
  return n >= 1e9
    ? `${(n / 1e9).toFixed(1)} GB`
    : n >= 1e6
      ? `${(n / 1e6).toFixed(1)} MB`
      : `${(n / 1e3).toFixed(1)} kB`;
}
