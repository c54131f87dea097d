/**
 * @file A head's map as SVG, PNG or one page, from the same layout the explorer draws.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AttentionKind } from "../../attention/index.js";
import type { Look } from "../../explorer/draw/canvas.js";
import { rampOf } from "../../explorer/draw/colour.js";
import { escaped, sceneToSvg } from "../../explorer/draw/svg.js";
import { heatmapScene } from "../../explorer/scene/heatmap.js";
import { shownToken, textWidth } from "../../explorer/terminal/label.js";
import { type Trace, visibleWeights } from "../../trace/index.js";
import { writeSafely } from "./files.js";

export interface Shown {
  kind: AttentionKind;
  layer: number;
  head: number;
  rows: [number, number];
  columns: [number, number];
}

const background = "#ffffff";
const look: Look = {
  ramp: rampOf("cividis", "light"),
  transform: "linear",
  signed: false,
  mode: "light",
  numbers: true,
  ink: "#1b1f24",
  soft: "#59636e",
  query: "#1b1f24",
  key: "#1b1f24",
  surface: background,
  hatch: "#d8dee4",
  font: "DejaVu Sans",
};

/** Width of a label in DejaVu Sans, which sets a column in about 0.6 em. */
const measure = (text: string, size: number): number => textWidth(text) * size * 0.62;

/** Writes what was asked for: `svg`, `png`, `html`. */
export async function writePictures(
  trace: Trace,
  shown: Shown,
  files: { svg?: string; png?: string; html?: string },
): Promise<void> {
  const svg = headSvg(trace, shown);
  if (files.svg !== undefined) writeSafely(files.svg, (file) => writeFileSync(file, `${svg}\n`));
  if (files.html !== undefined) {
    const page = headPage(trace, shown, svg);
    writeSafely(files.html, (file) => writeFileSync(file, page));
  }
  if (files.png !== undefined) {
    const png = await toPng(svg);
    writeSafely(files.png, (file) => writeFileSync(file, png));
  }
}

function titleOf(trace: Trace, { kind, layer, head }: Shown): string {
  return `${trace.info.model}: layer ${layer} head ${head}${kind === "self" ? "" : ` (${kind})`}`;
}

function tokensOf(trace: Trace, { kind, rows, columns }: Shown): { rows: string[]; columns: string[] } {
  const names = trace.sequences(kind);
  const part = (tokens: readonly string[] | undefined, [from, to]: [number, number]): string[] =>
    Array.from({ length: to - from }, (_, i) => shownToken(tokens?.[from + i] ?? `#${from + i}`).trim());
  return { rows: part(names.rows[0]?.tokens, rows), columns: part(names.columns[0]?.tokens, columns) };
}

/** The map as SVG text. */
export function headSvg(trace: Trace, shown: Shown): string {
  const { kind, layer, head, rows, columns } = shown;
  const tokens = tokensOf(trace, shown);
  const values = visibleWeights(trace.record(layer, kind), { head, rows, columns });
  const title = titleOf(trace, shown);
  const scene = heatmapScene({
    ...tokens,
    width: 160 + Math.min(1600, 38 * tokens.columns.length),
    height: 160 + Math.min(1600, 38 * tokens.rows.length),
    camera: null,
    measure,
    says: `${title}: a row for each token that looks, a column for each token looked at.`,
    cells: [{ rows: tokens.rows.length, columns: tokens.columns.length, values, row0: 0, column0: 0, step: 1 }],
  });
  return sceneToSvg(scene, look, { title, source: `Made with qkv, ${trace.info.provenance.engine}.`, background });
}

/** One page without scripts: the picture and its numbers as a table. Opens from disk without a network. */
function headPage(trace: Trace, shown: Shown, svg: string): string {
  const { kind, layer, head, rows, columns } = shown;
  const tokens = tokensOf(trace, shown);
  const values = visibleWeights(trace.record(layer, kind), { head, rows, columns });
  const width = tokens.columns.length;
  const cell = (w: number): string => (Number.isNaN(w) ? "<td>–</td>" : `<td>${w.toFixed(4)}</td>`);
  const body = tokens.rows.map(
    (t, i) =>
      `<tr><th scope="row">${escaped(t)}</th>${Array.from(values.subarray(i * width, (i + 1) * width), cell).join("")}</tr>`,
  );
  const title = escaped(titleOf(trace, shown));
  const scaled = `${160 + 16 * width}px`; // labels stay legible on a phone: the picture scrolls
  const text = trace.info.sequences[0]?.text;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>
:root { color-scheme: light dark; --line: ${look.hatch} }
body { font: 16px/1.5 "Source Sans 3", system-ui, sans-serif; margin: clamp(1rem, 4vw, 2rem); color: ${look.ink}; background: ${background} }
h1 { font-size: 1.5rem } h2 { font-size: 1.125rem } p { overflow-wrap: anywhere }
.frame { overflow-x: auto } .picture { background: ${background}; border-radius: 8px }
svg { display: block; max-width: 100%; min-width: min(${scaled}, 60rem); height: auto }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: 2px 6px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
@media (prefers-color-scheme: dark) { :root { --line: #33363e } body { color: #eceae4; background: #121317 } .picture { padding: 8px } }
</style>
<h1>${title}</h1>
${text === undefined ? "" : `<p>${escaped(text)}</p>`}
<div class="frame picture" tabindex="0" role="region" aria-label="Map">${svg}</div>
<h2>The numbers</h2>
<p>A row for each token that looks, a column for each token looked at; – = may not attend.</p>
<div class="frame" tabindex="0" role="region" aria-label="The numbers"><table><thead><tr><td></td>${tokens.columns.map((t) => `<th scope="col">${escaped(t)}</th>`).join("")}</tr></thead>
<tbody>
${body.join("\n")}
</tbody></table></div>
</html>
`;
}

async function toPng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js");
  const font = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
  readFileSync(font, { flag: "r" }); // a missing font would give a picture without labels
  const options = {
    fitTo: { mode: "zoom" as const, value: 2 },
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  };
  return new Resvg(svg, options).render().asPng();
}
