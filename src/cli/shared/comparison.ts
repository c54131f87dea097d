/** @file A comparison as a table and a plot in the terminal, and as one page. */
import type { Comparison, Measurement } from "../../attention/efficient/compare.js";
import { bytes, comparisonPanels, share, short } from "./comparison-svg.js";

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

function crossovers({ crossover, rows }: Comparison): string[] {
  return crossover.map(({ mechanism, length, slowerAt }) => {
    // Rows come by ascending length; a window as long as the text is exact attention under another name.
    const longest = rows.filter((r) => r.mechanism === mechanism).at(-1);
    if (longest?.massKept === 1 && longest.error < 1e-5)
      return `${mechanism}: sees every key up to ${longest.length} tokens, so it is exact attention there; longer texts tell`;
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

/** What the page looks like: the reader's scheme, no wider than the screen; only the table scrolls sideways. */
const look = [
  ":root{color-scheme:light dark;--line:#8885;--quiet:#595959}@media(prefers-color-scheme:dark){:root{--quiet:#aaa}}",
  "body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a;background:#fff}",
  "@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#16181c}}",
  "h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}p{color:var(--quiet)}",
  ".panels{display:flex;flex-wrap:wrap;gap:.5rem 1rem}.panels svg{max-width:100%;height:auto}.panels svg:first-child{margin-right:calc(100% - 430px)}@media(max-width:480px){.panels svg:first-child{margin:0}}",
  ".wide{overflow-x:auto}table{border-collapse:collapse;white-space:nowrap;font-variant-numeric:tabular-nums}",
  "td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--line)}tr.first td{border-top:2px solid var(--line)}",
  "td:nth-child(2),th:nth-child(2),td:last-child,th:last-child{text-align:left}",
].join("");

/** Conditions, plots, crossover lengths and table in one page without scripts. */
export function comparisonPage(said: Said): string {
  const safe = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const row = (tag: string, r: string[], first = false) =>
    `<tr${first ? ' class="first"' : ""}>${r.map((c) => `<${tag}>${safe(c)}</${tag}>`).join("")}</tr>`;
  const all = cells(said);
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Which attention pays</title>',
    `<style>${look}</style>`,
    `<h1>Which attention pays</h1><p>${safe(conditions(said)).replaceAll("\n", "<br>")}</p>`,
    `<h2>From which length on</h2><ul>${crossovers(said)
      .map((c) => `<li>${safe(c)}</li>`)
      .join("")}</ul>`,
    `<h2>Over length</h2><div class="panels">${comparisonPanels(said).join("")}</div>`,
    `<h2>What was measured</h2><div class="wide" tabindex="0"><table>${row("th", headings)}${all
      .map((r, n) => row("td", r, n > 0 && r[0] !== all[n - 1]![0]))
      .join("")}</table></div>`,
    `<p>error: ‖output − exact‖ / ‖exact‖ on these operands. kept: share of exact attention's weight on keys that are seen. scratch: bytes of intermediate results, counted by the code that ran.</p></html>\n`,
  ].join("\n");
}
