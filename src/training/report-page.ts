/** @file The page that reports of training runs share: words, charts, tables, the command that made it, every number as JSON. */
import { chartInPage, chartStyle, escaped, type LineChart, type Style } from "./line-charts.js";

export interface ReportPage {
  title: string;
  /** What came out, in a sentence or two. */
  summary: string;
  /** How it was made. */
  settings: string;
  charts: readonly (LineChart & { says: string })[];
  /** What the lines are called in full. */
  key: readonly { name: string; style: Style }[];
  tables: readonly { caption: string; head: readonly string[]; rows: readonly (readonly string[])[] }[];
  /** Further drawings, as HTML. */
  more?: string;
  command: string;
  /** Everything, for a machine. */
  data: unknown;
}

/** One file that opens without a network, light and dark, on a phone and on paper. */
export function reportPage(r: ReportPage): string {
  const key = r.key.map(
    (k) =>
      `<li><svg class="qkv-chart" width="34" height="10" aria-hidden="true"><path class="line-${k.style}" d="M1 5H33"/></svg> ${escaped(k.name)}</li>`,
  );
  const charts = r.charts.map((c) => `<figure>${chartInPage(c, c.says)}</figure>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(r.title)}</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.1rem;margin-top:2rem}p{max-width:46rem}.soft{color:#555;font-size:.9rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1.5rem}figure{margin:0;min-width:0}
.charts svg{display:block;width:100%;max-width:34rem;height:auto}.key{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;white-space:nowrap}
caption{text-align:left;white-space:normal;max-width:min(46rem,90vw);padding-bottom:.3rem}th,td{padding:.25rem .7rem .25rem 0;text-align:right;border-bottom:1px solid #ddd;font-weight:400}
thead th{font-weight:600}th:first-child{text-align:left}pre{overflow-x:auto;padding:.75rem 1rem;border:1px solid #ddd;border-radius:6px;font-size:.875rem}
.maps{display:flex;flex-wrap:wrap;gap:1rem 1.5rem}.maps figcaption{font-size:.875rem}
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#16181c}.soft{color:#b0b0b0}th,td,pre{border-color:#3a3d44}}
${chartStyle()}
@media(max-width:40rem){.qkv-chart text{font-size:15px}.qkv-chart .title{font-size:17px}}</style></head>
<body><main><h1>${escaped(r.title)}</h1><p>${escaped(r.summary)}</p><p class="soft">${escaped(r.settings)}</p>
<ul class="key" aria-label="Lines">${key.join("")}</ul>
<div class="charts">${charts.join("\n")}</div>
${r.more ?? ""}${r.tables.map(table).join("\n")}
<h2>Made by</h2><pre tabindex="0"><code>${escaped(r.command)}</code></pre></main>
<script type="application/json" id="runs">${JSON.stringify(r.data).replaceAll("<", "\\u003c")}</script></body></html>
`;
}

function table({ caption, head, rows }: ReportPage["tables"][number]): string {
  const cells = (row: readonly string[]): string =>
    row.map((c, n) => (n === 0 ? `<th scope="row">${escaped(c)}</th>` : `<td>${escaped(c)}</td>`)).join("");
  return `<h2>${escaped(caption)}</h2><div class="wide" tabindex="0" role="group" aria-label="${escaped(caption)}"><table><thead><tr>${head.map((h) => `<th scope="col">${escaped(h)}</th>`).join("")}</tr></thead><tbody>${rows.map((r) => `<tr>${cells(r)}</tr>`).join("")}</tbody></table></div>`;
}
