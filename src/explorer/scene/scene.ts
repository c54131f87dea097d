/**
 * @file A picture as data: where every cell, line and label sits and what it stands for. Drawing (canvas, WebGL, SVG), the
 * hit test, the keyboard and the exports all read this one description and nothing else. Units are CSS pixels.
 */
import { distanceTo, type Handles } from "./curve.js";

/** What a mark stands for. */
export interface Target {
  query?: number;
  key?: number;
  head?: number;
}

/** A grid of weights; NaN = may not attend. Cell (r, c) covers `step` tokens each way from (row0 + r·step, column0 + c·step). */
export interface Cells {
  x: number;
  y: number;
  /** Pixels a cell. */
  cell: number;
  rows: number;
  columns: number;
  values: Float32Array;
  row0: number;
  column0: number;
  step: number;
}

/** A curve from a query to a key; its shape is in `curve.ts`. */
export interface Line {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  weight: number;
  head: number;
  query: number;
  key: number;
  /** Where the curve's two handles stand; absent: half way between the ends. */
  handles?: Handles;
}

export type Tone = "ink" | "soft" | "query" | "key";

export interface Label {
  x: number;
  y: number;
  text: string;
  align: "left" | "right" | "center";
  size: number;
  tone: Tone;
  /** Written upwards. */
  upright?: boolean;
  bold?: boolean;
  /** Room it takes along its line, for the hit test. */
  length: number;
  target?: Target;
  /** Written on a shade of this weight: the ink follows. */
  on?: number;
  /** Which side of the map this token is on. */
  side?: "query" | "key";
}

/** The window cells are clipped to. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Scene {
  width: number;
  height: number;
  /** One sentence, for a reader who cannot see it. */
  says: string;
  plot: Box;
  cells: Cells[];
  lines: readonly Line[];
  /** The same lines, head by head. The same list in the next scene means the same curves: what was made of them may be kept. */
  byHead?: ReadonlyMap<number, readonly Line[]>;
  /** Lines without handles run from top to bottom, not from left to right. */
  down?: boolean;
  labels: Label[];
  /** Rectangles shaded by a weight: tokens of a text. */
  boxes?: (Box & { weight: number; chosen: boolean })[];
  /** Cells joined by a line, in order: an alignment. */
  path?: { query: number; key: number }[];
  /** Token (0, 0) in pixels and pixels a token, where the scene is a map. */
  map?: { x: number; y: number; zoom: number; rows: number; columns: number };
}

/** A scene of what is given; without a map there is nothing to clip. */
export function sceneOf(parts: Pick<Scene, "width" | "height" | "says"> & Partial<Scene>): Scene {
  return { plot: { x: 0, y: 0, width: 0, height: 0 }, cells: [], lines: [], labels: [], ...parts };
}

/** A scene's lines, head by head. */
export function linesByHead({ lines, byHead }: Scene): ReadonlyMap<number, readonly Line[]> {
  if (byHead) return byHead;
  const heads = new Map<number, Line[]>();
  for (const l of lines) {
    const own = heads.get(l.head);
    if (own) own.push(l);
    else heads.set(l.head, [l]);
  }
  return heads;
}

/** How wide a text prints, in pixels. */
export type Measure = (text: string, size: number) => number;

/** What is at a point: a cell of a map, a label, else the nearest line within reach. */
export function hit(scene: Scene, x: number, y: number): (Target & { side?: "query" | "key" }) | undefined {
  const { plot, map } = scene;
  const inside = x >= plot.x && x < plot.x + plot.width && y >= plot.y && y < plot.y + plot.height;
  if (map && inside) {
    const query = Math.floor((y - map.y) / map.zoom);
    const key = Math.floor((x - map.x) / map.zoom);
    if (query >= 0 && key >= 0 && query < map.rows && key < map.columns) return { query, key };
  }
  for (const l of scene.labels) {
    if (!l.target) continue;
    const [dx, dy] = [x - l.x, y - l.y];
    const onward = l.upright ? -dy : dx;
    const along = { left: onward, right: -onward, center: onward + l.length / 2 }[l.align];
    const across = l.upright ? Math.abs(dx) : Math.abs(dy);
    if (along >= -4 && along <= l.length + 4 && across <= l.size * 0.85)
      return { ...l.target, ...(l.side && { side: l.side }) };
  }
  let best: Line | undefined;
  let nearest = 6;
  for (const line of scene.lines) {
    const d = distanceTo(line, x, y, scene.down);
    if (d < nearest || (d === nearest && best && line.weight > best.weight)) {
      nearest = d;
      best = line;
    }
  }
  return best && { query: best.query, key: best.key, head: best.head };
}
