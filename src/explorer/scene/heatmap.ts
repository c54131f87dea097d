/**
 * @file The layout of a head's map: labels left and above, cells in a window that shows all of the map or, when zoomed, a
 * part of it. Row = the token that looks, column = the token looked at.
 */
import type { Camera } from "../state/choice.js";
import type { Cells, Label, Measure, Scene } from "./scene.js";
import { shortened } from "./tokens.js";

export interface HeatmapOptions {
  rows: readonly string[];
  columns: readonly string[];
  /** Room the picture may take. */
  width: number;
  height: number;
  camera: Camera | null;
  measure: Measure;
  says: string;
  /** What a row and a column are; default: query and key. */
  names?: readonly [row: string, column: string] | undefined;
  /** Finished cells: the whole map, or tiles of it. */
  cells: Pick<Cells, "rows" | "columns" | "values" | "row0" | "column0" | "step">[];
}

/** Largest and smallest pixels a token when the whole map is fitted. */
const largest = 38;
/** From here on each token has room for its label. */
export const labelled = 12;
const longestLabel = 14;
/** Room for the names of the axes, left and above. */
const named = 16;
const axisNames = ["query: looks from", "key: looks at"] as const;

export interface Frame {
  left: number;
  top: number;
  zoom: number;
  row: number;
  column: number;
  plotWidth: number;
  plotHeight: number;
  fit: number;
  size: number;
}

/** Where the window stands and how large a token is; the same for drawing and for choosing tiles. */
export function frameOf(o: Omit<HeatmapOptions, "cells" | "says">): Frame {
  const [R, C] = [o.rows.length, o.columns.length];
  const size = o.width < 480 ? 12 : 13;
  const room = (labels: readonly string[]): number => {
    let most = 0;
    for (const l of labels.length > 400 ? labels.slice(0, 400) : labels)
      most = Math.max(most, o.measure(shortened(l, longestLabel), size));
    return Math.min(o.width * 0.3, Math.ceil(most));
  };
  const all = Math.min((o.width - 60) / C, (o.height - 60) / R);
  const words = (o.camera?.zoom ?? all) >= labelled - 3;
  const left = named + 6 + (words ? room(o.rows) : o.measure("99999", 11)) + 8;
  const top = named + 6 + (words ? room(o.columns) : 14) + 8;
  const fit = Math.min(largest, (o.width - left - 4) / C, Math.max((o.height - top - 4) / R, words ? labelled : 0));
  const zoom = o.camera ? Math.max(fit, o.camera.zoom) : fit;
  const plotWidth = Math.min(C * zoom, o.width - left - 4);
  const plotHeight = Math.min(
    R * zoom,
    Math.max(o.height - top - 4, C * zoom <= o.width - left && words ? R * zoom : 0),
  );
  const clamp = (x: number, most: number): number => Math.min(Math.max(0, x), Math.max(0, most));
  const row = clamp(o.camera?.row ?? 0, R - plotHeight / zoom);
  const column = clamp(o.camera?.column ?? 0, C - plotWidth / zoom);
  return { left, top, zoom, row, column, plotWidth, plotHeight, fit, size };
}

export function heatmapScene(o: HeatmapOptions): Scene {
  const f = frameOf(o);
  const x = f.left - f.column * f.zoom;
  const y = f.top - f.row * f.zoom;
  const cells = o.cells.map(
    (c): Cells => ({ ...c, cell: f.zoom * c.step, x: x + c.column0 * f.zoom, y: y + c.row0 * f.zoom }),
  );
  const plot = { x: f.left, y: f.top, width: f.plotWidth, height: f.plotHeight };
  return {
    width: Math.ceil(f.left + f.plotWidth + 4),
    height: Math.ceil(f.top + f.plotHeight + 4),
    says: o.says,
    plot,
    cells,
    lines: [],
    labels: [
      ...axis(o.rows, f, "query", o.measure),
      ...axis(o.columns, f, "key", o.measure),
      ...titles(f, o.names ?? axisNames, o.measure),
    ],
    map: { x, y, zoom: f.zoom, rows: o.rows.length, columns: o.columns.length },
  };
}

/** The names of the axes: the row's upwards at the left, the column's above; the first word alone where room is short. */
function titles(f: Frame, [row, column]: readonly [string, string], measure: Measure): Label[] {
  const size = 12;
  const label = (text: string, room: number, place: Pick<Label, "x" | "y" | "align" | "upright" | "tone">): Label => {
    const fits = measure(text, size) <= room ? text : text.replace(/:.*/, "");
    return { ...place, text: fits, size, length: measure(fits, size) };
  };
  return [
    label(row, f.plotHeight, { x: 9, y: f.top, align: "right", upright: true, tone: "query" }),
    label(column, f.plotWidth, { x: f.left, y: 9, align: "left", tone: "key" }),
  ];
}

/** Token labels where they fit, else positions at round numbers. */
function axis(tokens: readonly string[], f: Frame, side: "query" | "key", measure: Measure): Label[] {
  const down = side === "query";
  const [start, span] = down ? [f.row, f.plotHeight] : [f.column, f.plotWidth];
  const [from, to] = [Math.floor(start), Math.min(tokens.length, Math.ceil(start + span / f.zoom))];
  const words = f.zoom >= labelled - 3;
  const step = words ? 1 : roundStep((down ? 26 : 44) / f.zoom);
  const out: Label[] = [];
  for (let n = Math.ceil(from / step) * step; n < to; n += step) {
    const middle = (n + 0.5 - start) * f.zoom;
    if (middle < 0 || middle > span) continue;
    const text = words ? shortened(tokens[n]!, longestLabel) : `${n}`;
    const size = words ? Math.min(f.size, Math.max(10, Math.round(2 * f.zoom) / 2)) : 11; // few sizes: widths are kept
    const place = down
      ? { x: f.left - 8, y: f.top + middle, align: "right" as const }
      : { x: f.left + middle, y: f.top - 8, align: words ? ("left" as const) : ("center" as const), upright: words };
    out.push({
      ...place,
      text,
      size,
      tone: words ? "ink" : "soft",
      length: measure(text, size),
      target: down ? { query: n } : { key: n },
      side,
    });
  }
  return out;
}

/** 1, 2, 5, 10, 20, 50 … at least as large as asked. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  for (const m of [1, 2, 5, 10]) if (m * power >= least) return m * power;
  return power * 10;
}
