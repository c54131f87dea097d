/** @file Which tiles of a pyramid a window needs, and which of those at hand stand in until they come. */
import { tileSize, topLevel } from "../../trace/pyramid.js";
import type { Frame } from "./heatmap.js";

export interface TileKey {
  level: number;
  row: number;
  column: number;
}

export const nameOf = ({ level, row, column }: TileKey): string => `${level}/${row}/${column}`;

/** The level whose cells are at least one pixel: finer ones could not be seen apart, coarser ones are drawn when zooming in. */
export function levelFor(zoom: number, queries: number, keys: number): number {
  const level = Math.ceil(Math.log2(1 / zoom) - 1e-9);
  return Math.min(Math.max(0, level), topLevel(queries, keys));
}

/** Tiles in the window, those in its middle first. Tiles that lie wholly in a causal future are left out. */
export function tilesInView(f: Frame, queries: number, keys: number, causal: boolean): TileKey[] {
  const level = levelFor(f.zoom, queries, keys);
  const span = tileSize * 2 ** level;
  const [r0, r1] = [Math.floor(f.row / span), Math.floor(Math.min(queries - 1, f.row + f.plotHeight / f.zoom) / span)];
  const [c0, c1] = [
    Math.floor(f.column / span),
    Math.floor(Math.min(keys - 1, f.column + f.plotWidth / f.zoom) / span),
  ];
  const [mr, mc] = [
    (f.row + f.plotHeight / f.zoom / 2) / span - 0.5,
    (f.column + f.plotWidth / f.zoom / 2) / span - 0.5,
  ];
  const out: TileKey[] = [];
  for (let row = r0; row <= r1; row++) {
    for (let column = c0; column <= c1; column++) {
      if (causal && column * span > Math.min(queries, (row + 1) * span) - 1 + (keys - queries)) continue;
      out.push({ level, row, column });
    }
  }
  const far = (t: TileKey): number => Math.abs(t.row - mr) + Math.abs(t.column - mc);
  return out.sort((a, b) => far(a) - far(b));
}

/** The tile one level coarser that covers a tile. */
export function parentOf({ level, row, column }: TileKey): TileKey {
  return { level: level + 1, row: row >> 1, column: column >> 1 };
}
