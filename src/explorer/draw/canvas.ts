/** @file Draws a scene on a 2D canvas. */
import type { Transform } from "../state/choice.js";
import { handlesOf, opacity, thickness } from "../scene/curve.js";
import type { Cells, Line, Scene, Target } from "../scene/scene.js";
import { shortWeight } from "../scene/tokens.js";
import { colourAt, headStyle, inkOn, type Mode, position, type Ramp, css } from "./colour.js";
import { hinton } from "./hinton.js";

export interface Look {
  mode: Mode;
  ramp: Ramp;
  /** Values are −1…1 and 0 is in the middle of the ramp. */
  signed?: boolean;
  transform: Transform;
  font: string;
  ink: string;
  soft: string;
  query: string;
  key: string;
  surface: string;
  hatch: string;
  /** Where the cursor and the pointer are. */
  cursor?: Target | undefined;
  /** Print weights into cells that have room. */
  numbers?: boolean;
  /** Squares by weight in place of colours. */
  hinton?: boolean;
}

/** So many curves are drawn one by one in a frame; more have painters of their own, see `curves.ts`. */
export const fewCurves = 3000;

/** Colours a grid, one pixel a cell, kept until the look changes. */
let painted = new WeakMap<Float32Array, { key: string; canvas: HTMLCanvasElement | OffscreenCanvas }>();

/** After a 2D context was lost what it held is blank, and so is what was kept. */
export function forgetImages(): void {
  painted = new WeakMap();
}

export function cellImage(
  cells: Pick<Cells, "rows" | "columns" | "values">,
  look: Look,
): HTMLCanvasElement | OffscreenCanvas {
  const key = `${look.mode}.${look.transform}.${look.signed}.${look.ramp[300]}.${look.ramp[600]}`;
  const had = painted.get(cells.values);
  if (had?.key === key) return had.canvas;
  const { rows, columns } = cells;
  const canvas = had?.canvas ?? newCanvas(columns, rows);
  const g = canvas.getContext("2d") as CanvasRenderingContext2D;
  g.putImageData(new ImageData(cellPixels(cells, look), columns, rows), 0, 0);
  painted.set(cells.values, { key, canvas });
  return canvas;
}

/** RGBA of each cell; a pair that may not attend is transparent. */
export function cellPixels(
  { rows, columns, values }: Pick<Cells, "rows" | "columns" | "values">,
  look: Pick<Look, "ramp" | "transform" | "signed">,
): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(rows * columns * 4);
  const shown = look.transform === "rank" && !look.signed ? ranks(values, rows, columns) : values;
  for (let n = 0; n < rows * columns; n++) {
    const w = shown[n]!;
    if (w !== w) continue;
    const t = look.signed ? (w + 1) / 2 : look.transform === "rank" ? w : position(w, look.transform);
    const at = Math.round(Math.min(1, Math.max(0, t)) * 255) * 3;
    out[n * 4] = look.ramp[at]!;
    out[n * 4 + 1] = look.ramp[at + 1]!;
    out[n * 4 + 2] = look.ramp[at + 2]!;
    out[n * 4 + 3] = 255;
  }
  return out;
}

/** Each weight as its rank in its row: the largest 1, the smallest near 0; equal weights share a rank. */
export function ranks(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length).fill(Number.NaN);
  for (let i = 0; i < rows; i++) {
    const row = values.subarray(i * columns, (i + 1) * columns);
    const order = [...row].filter((w) => w === w).sort((a, b) => a - b);
    const place = new Map<number, number>();
    order.forEach((w, n) => { place.set(w, (n + 1) / order.length); }); // biome-ignore format: one line
    row.forEach((w, j) => { if (w === w) out[i * columns + j] = place.get(w)!; }); // biome-ignore format: one line
  }
  return out;
}

function newCanvas(width: number, height: number): HTMLCanvasElement | OffscreenCanvas {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(Math.max(1, width), Math.max(1, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

export function drawScene(
  g: CanvasRenderingContext2D,
  scene: Scene,
  look: Look,
  options: { cells?: boolean; keep?: boolean; hatch?: boolean } = {},
): void {
  if (!options.keep) g.clearRect(0, 0, scene.width, scene.height);
  for (const b of scene.boxes ?? []) {
    if (Number.isNaN(b.weight)) continue;
    g.fillStyle = css(colourAt(look.ramp, position(b.weight, look.transform === "log" ? "log" : "linear")));
    g.fillRect(b.x, b.y, b.width, b.height);
    if (!b.chosen) continue;
    g.strokeStyle = look.query;
    g.lineWidth = 2;
    g.strokeRect(b.x, b.y, b.width, b.height);
  }
  if (scene.map || scene.cells.length > 0) drawMap(g, scene, look, options.cells ?? true, options.hatch ?? true);
  if (scene.lines.length > 0) drawLines(g, scene, look);
  drawLabels(g, scene, look);
}

/** @param hatched draws what lies under pairs that may not attend; else it lies under the canvas, and cells leave it free */
function drawMap(g: CanvasRenderingContext2D, scene: Scene, look: Look, withCells: boolean, hatched: boolean): void {
  const { plot, map } = scene;
  g.save();
  g.beginPath();
  g.rect(plot.x, plot.y, plot.width, plot.height);
  g.clip();
  if (withCells && map && hatched) hatch(g, scene, look);
  const squares = look.hinton && hinton(g, scene, look);
  if (withCells && !squares) {
    g.imageSmoothingEnabled = false;
    for (const c of scene.cells) {
      if (c.rows * c.columns === 0) continue;
      if (!hatched) g.clearRect(c.x, c.y, c.columns * c.cell, c.rows * c.cell); // a coarser tile that stood in
      g.drawImage(cellImage(c, look) as CanvasImageSource, c.x, c.y, c.columns * c.cell, c.rows * c.cell);
    }
  }
  if (map && map.zoom >= 16 && !squares) grid(g, scene, look);
  if (look.numbers && map && map.zoom >= 30 && !squares) numbers(g, scene, look);
  if (scene.path && map) {
    const pen = (colour: string, width: number): void => {
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.beginPath();
      for (const { query, key } of scene.path!)
        g.lineTo(map.x + (key + 0.5) * map.zoom, map.y + (query + 0.5) * map.zoom);
      g.stroke();
    };
    pen(look.surface, 5); // a rim, so that it is seen on any shade
    pen(look.key, 2.5);
  }
  g.restore();
  cross(g, scene, look);
}

/** Pairs that may not attend: fine slanted lines under the cells. */
function hatch(g: CanvasRenderingContext2D, { plot }: Scene, look: Look): void {
  g.strokeStyle = look.hatch;
  g.lineWidth = 1;
  g.beginPath();
  for (let d = -plot.height; d < plot.width; d += 6) {
    g.moveTo(plot.x + d, plot.y + plot.height);
    g.lineTo(plot.x + d + plot.height, plot.y);
  }
  g.stroke();
}

function grid(g: CanvasRenderingContext2D, { plot, map }: Scene, look: Look): void {
  const { x, y, zoom, rows, columns } = map!;
  g.strokeStyle = look.surface;
  g.lineWidth = 1;
  g.beginPath();
  const [c0, c1] = inside(x, zoom, columns + 1, plot.x, plot.width);
  for (let c = c0; c < c1; c++) {
    const at = Math.round(x + c * zoom) + 0.5;
    if (at < plot.x - 1 || at > plot.x + plot.width + 1) continue;
    g.moveTo(at, plot.y);
    g.lineTo(at, plot.y + plot.height);
  }
  const [r0, r1] = inside(y, zoom, rows + 1, plot.y, plot.height);
  for (let r = r0; r < r1; r++) {
    const at = Math.round(y + r * zoom) + 0.5;
    if (at < plot.y - 1 || at > plot.y + plot.height + 1) continue;
    g.moveTo(plot.x, at);
    g.lineTo(plot.x + plot.width, at);
  }
  g.stroke();
}

/** Which of so many cells in a row, the first at `start`, touch a window: from … to, the last left out. */
function inside(start: number, cell: number, count: number, from: number, span: number): [number, number] {
  const first = Math.max(0, Math.floor((from - start) / cell));
  return [first, Math.max(first, Math.min(count, Math.ceil((from + span - start) / cell) + 1))];
}

function numbers(g: CanvasRenderingContext2D, scene: Scene, look: Look): void {
  g.textAlign = "center";
  g.textBaseline = "middle";
  g.font = `11px ${look.font}`;
  for (const c of scene.cells) {
    const [r0, r1] = inside(c.y, c.cell, c.rows, scene.plot.y, scene.plot.height);
    const [k0, k1] = inside(c.x, c.cell, c.columns, scene.plot.x, scene.plot.width);
    for (let r = r0; r < r1; r++) {
      for (let k = k0; k < k1; k++) {
        const w = c.values[r * c.columns + k]!;
        const text = look.signed ? (Math.abs(w) < 0.005 ? "" : w.toFixed(2).replace("0.", ".")) : shortWeight(w);
        if (!text) continue;
        g.fillStyle = inkOn(
          colourAt(look.ramp, look.signed ? (w + 1) / 2 : position(w, look.transform === "log" ? "log" : "linear")),
        );
        g.fillText(text, c.x + (k + 0.5) * c.cell, c.y + (r + 0.5) * c.cell + 0.5);
      }
    }
  }
}

/** The chosen row and column framed, the cell between them ringed. */
function cross(g: CanvasRenderingContext2D, { plot, map }: Scene, look: Look): void {
  const { query = -1, key = -1 } = look.cursor ?? {};
  if (!map) return;
  const [x, y] = [map.x + key * map.zoom, map.y + query * map.zoom];
  const z = Math.max(map.zoom, 3);
  g.save();
  g.beginPath();
  g.rect(plot.x - 2, plot.y - 2, plot.width + 4, plot.height + 4);
  g.clip();
  g.lineWidth = 1.5;
  if (query >= 0) {
    g.strokeStyle = look.query;
    g.strokeRect(plot.x - 0.75, y - 0.75, plot.width + 1.5, z + 1.5);
  }
  if (key >= 0) {
    g.strokeStyle = look.key;
    g.strokeRect(x - 0.75, plot.y - 0.75, z + 1.5, plot.height + 1.5);
  }
  if (query >= 0 && key >= 0) {
    g.lineWidth = 3;
    g.strokeStyle = look.surface;
    g.strokeRect(x - 1, y - 1, z + 2, z + 2);
    g.lineWidth = 2;
    g.strokeStyle = look.ink;
    g.strokeRect(x - 1, y - 1, z + 2, z + 2);
  }
  g.restore();
}

function drawLines(g: CanvasRenderingContext2D, scene: Scene, look: Look): void {
  const { query, key, head } = look.cursor ?? {};
  const some = query !== undefined || key !== undefined;
  const ordered = scene.lines.length < 4000 ? [...scene.lines].sort((a, b) => a.weight - b.weight) : scene.lines;
  const chosen = (l: Line): boolean =>
    (query === undefined || l.query === query) &&
    (key === undefined || l.key === key) &&
    (head === undefined || l.head === head);
  const pen = (l: Line, alpha: number): void => {
    const { colour, dash } = headStyle(l.head, look.mode);
    const [x1, y1, x2, y2] = handlesOf(l, scene.down);
    g.globalAlpha = Math.min(1, alpha);
    g.strokeStyle = colour;
    g.setLineDash(dash);
    g.lineWidth = thickness(l.weight);
    g.beginPath();
    g.moveTo(l.x1, l.y1);
    g.bezierCurveTo(x1, y1, x2, y2, l.x2, l.y2);
    g.stroke();
  };
  if (some) for (const l of ordered) if (!chosen(l)) pen(l, 0.05 + 0.06 * l.weight);
  for (const l of ordered) if (!some || chosen(l)) pen(l, opacity(l.weight));
  g.globalAlpha = 1;
  g.setLineDash([]);
}

function drawLabels(g: CanvasRenderingContext2D, scene: Scene, look: Look): void {
  const { query, key } = look.cursor ?? {};
  g.textBaseline = "middle";
  for (const l of scene.labels) {
    const on = (l.side === "query" && l.target?.query === query) || (l.side === "key" && l.target?.key === key);
    const tone = on ? (l.side as "query" | "key") : l.tone;
    g.fillStyle =
      l.on !== undefined && !Number.isNaN(l.on)
        ? inkOn(colourAt(look.ramp, position(l.on, look.transform === "log" ? "log" : "linear")))
        : look[tone];
    g.font = `${on || l.bold ? "600 " : ""}${l.size}px ${look.font}`;
    g.textAlign = l.align;
    if (!l.upright) g.fillText(l.text, l.x, l.y);
    else {
      g.save();
      g.translate(l.x, l.y);
      g.rotate(-Math.PI / 2);
      g.fillText(l.text, 0, 0);
      g.restore();
    }
  }
}

export { css };
