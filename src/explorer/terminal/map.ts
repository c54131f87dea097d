/**
 * @file One head's map in a terminal, fitted to its width.
 *
 * Small maps print every weight as a percentage on its colour. Maps too wide for that print one half-block a cell
 * (two rows a line), then cells pooled by their *largest* weight, so that a lone spike is never hidden.
 */
import { type ColourDepth, inkOn, paint, weightColour } from "./colour.js";
import { fitted, graphemes, shownToken, textWidth } from "./label.js";

export interface MapOptions {
  /** Columns the picture may take. */
  width: number;
  depth: ColourDepth;
  rows: readonly string[];
  columns: readonly string[];
}

const labelLimit = 14;
/** " 100": a percentage and the space before it. */
const cellWidth = 4;

/** Lines of the picture. `weights` has Lq · Lk numbers, row by row; NaN is a pair that may not attend. */
export function drawMap(weights: ArrayLike<number>, options: MapOptions): string[] {
  const rows = options.rows.map(shownToken);
  const labels = Math.min(labelLimit, Math.max(1, ...rows.map(textWidth)));
  const room = options.width - labels - 1;
  const [Lq, Lk] = [rows.length, options.columns.length];
  if (Lk * cellWidth <= room && Lq <= 48) return numbered(weights, options, rows, labels);
  const across = Math.max(1, Math.ceil(Lk / room));
  const down = Math.max(across, Math.ceil(Lq / 160));
  return blocks(weights, options, rows, labels, across, down);
}

/** A percentage a cell, under the tokens written downwards. */
function numbered(
  weights: ArrayLike<number>,
  { columns, depth }: MapOptions,
  rows: string[],
  labels: number,
): string[] {
  const Lk = columns.length;
  const heads = columns.map((t) => graphemes(shownToken(t).trim()).slice(0, 8));
  const height = Math.max(...heads.map((h) => h.length));
  const lines: string[] = [];
  for (let y = 0; y < height; y++) {
    const cells = heads.map((h) => fitted(h[y - (height - h.length)] ?? "", cellWidth, "right"));
    lines.push(`${" ".repeat(labels)} ${cells.join("")}`.trimEnd());
  }
  for (let i = 0; i < rows.length; i++) {
    let line = `${fitted(rows[i]!, labels, "right")} `;
    for (let j = 0; j < Lk; j++) {
      const w = weights[i * Lk + j]!;
      line += Number.isNaN(w)
        ? "·".padStart(cellWidth)
        : paint(String(Math.round(w * 100)).padStart(cellWidth), depth, ...colours(w));
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

function colours(w: number): [readonly [number, number, number], readonly [number, number, number]] {
  const ground = weightColour(w);
  return [inkOn(ground), ground];
}

/** Half-blocks, two rows a line; plain terminals get one row a line in five shades of text. */
function blocks(
  weights: ArrayLike<number>,
  { columns, depth }: MapOptions,
  rows: string[],
  labels: number,
  across: number,
  down: number,
): string[] {
  const Lk = columns.length;
  const width = Math.ceil(Lk / across);
  const height = Math.ceil(rows.length / down);
  const cell = (y: number, x: number): number => {
    let most = 0;
    for (let i = y * down; i < Math.min(rows.length, (y + 1) * down); i++) {
      for (let j = x * across; j < Math.min(Lk, (x + 1) * across); j++) most = Math.max(most, weights[i * Lk + j]!);
    }
    return most;
  };
  const lines: string[] = [];
  const step = depth === "none" ? 1 : 2;
  for (let y = 0; y < height; y += step) {
    let line = `${fitted(rows[y * down]!, labels, "right")} `;
    for (let x = 0; x < width; x++) {
      const upper = cell(y, x);
      if (depth === "none") line += shade(upper);
      else if (y + 1 < height) line += paint("▀", depth, weightColour(upper), weightColour(cell(y + 1, x)));
      else line += paint("▀", depth, weightColour(upper));
    }
    lines.push(line.trimEnd());
  }
  const pooled = across * down > 1 ? `; a cell is the largest of ${down} × ${across} weights` : "";
  lines.push(`${" ".repeat(labels)} ${rows.length} queries × ${Lk} keys${pooled}`);
  return lines;
}

/** " " below 5 %, then · ░ ▒ ▓ █ at 5, 20, 40, 60, 80 %. */
function shade(w: number): string {
  return " ·░▒▓█"[w < 0.05 ? 0 : 1 + Math.min(4, Math.floor(w * 5))]!;
}
