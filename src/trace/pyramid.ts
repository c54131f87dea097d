/**
 * @file Maps pooled for small pictures and far zooms. NaN (may not attend) stays NaN only where a whole block is.
 *
 * Pooling by maximum never hides a lone spike; by mean keeps the mass. Level n has one number for 2ⁿ × 2ⁿ pairs.
 */
import type { AttentionRecord } from "./record.js";
import { visibleWeights } from "./visible.js";

export type Pool = "max" | "mean";

/** Pools [rows, columns] by blocks of factor × factor; ragged ends are pooled over what is there. */
export function poolBlocks(
  map: ArrayLike<number>,
  rows: number,
  columns: number,
  factor: number,
  pool: Pool,
): Float32Array {
  const [R, C] = [Math.ceil(rows / factor), Math.ceil(columns / factor)];
  const out = new Float32Array(R * C).fill(Number.NaN);
  const count = pool === "mean" ? new Uint32Array(R * C) : undefined;
  for (let i = 0; i < rows; i++) {
    const row = i * columns;
    for (let c = 0, at = Math.floor(i / factor) * C; c < C; c++, at++) {
      const end = row + Math.min(columns, (c + 1) * factor);
      let had = out[at]!;
      for (let n = row + c * factor; n < end; n++) {
        const w = map[n]!;
        if (w !== w) continue;
        if (count) {
          had = had === had ? Math.fround(had + w) : w;
          count[at]!++;
        } else if (!(had >= w)) had = w;
      }
      out[at] = had;
    }
  }
  if (count) for (let n = 0; n < out.length; n++) if (count[n]! > 0) out[n]! /= count[n]!;
  return out;
}

/** Fits a map into size × size cells by maximum: thumbnails. A map smaller than that keeps its size. */
export function thumbnail(
  map: ArrayLike<number>,
  rows: number,
  columns: number,
  size: number,
): { rows: number; columns: number; values: Float32Array } {
  const [R, C] = [Math.min(rows, size), Math.min(columns, size)];
  const values = new Float32Array(R * C).fill(Number.NaN);
  for (let i = 0; i < rows; i++) {
    const to = Math.floor((i * R) / rows) * C;
    for (let j = 0; j < columns; j++) {
      const w = map[i * columns + j]!;
      const at = to + Math.floor((j * C) / columns);
      if (w === w && !(values[at]! >= w)) values[at] = w;
    }
  }
  return { rows: R, columns: C, values };
}

/** Cells along a side of a tile. */
export const tileSize = 256;

/** Levels until a whole map fits one tile. */
export function topLevel(queries: number, keys: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(queries, keys, 1) / tileSize)));
}

export interface Tile {
  level: number;
  row: number;
  column: number;
  rows: number;
  columns: number;
  values: Float32Array;
}

/** Pairs computed at once: a strip of a tile that a kernel does in a few milliseconds. */
const strip = 2 ** 18;

/**
 * One tile of a head's map, rebuilt from q, k and the row sums, strip by strip: `yield` marks the places where other
 * work may be done or the tile given up. Cell (i, j) of the tile covers 2^level pairs each way.
 */
export function* buildTile(
  record: AttentionRecord,
  where: { batch?: number; head: number; level: number; row: number; column: number; pool: Pool },
): Generator<number, Tile> {
  const { batch = 0, head, level, row, column, pool } = where;
  const step = 2 ** level;
  const [r0, c0] = [row * tileSize * step, column * tileSize * step];
  const [r1, c1] = [Math.min(record.queries, r0 + tileSize * step), Math.min(record.keys, c0 + tileSize * step)];
  const [rows, columns] = [Math.ceil((r1 - r0) / step), Math.ceil((c1 - c0) / step)];
  const values = new Float32Array(Math.max(0, rows * columns)).fill(Number.NaN);
  const height = Math.max(step, Math.floor(strip / Math.max(1, c1 - c0) / step) * step);
  for (let from = r0; from < r1; from += height) {
    const to = Math.min(r1, from + height);
    const exact = visibleWeights(record, { batch, head, rows: [from, to], columns: [c0, c1] });
    const part = level === 0 ? exact : poolBlocks(exact, to - from, c1 - c0, step, pool);
    values.set(part, ((from - r0) / step) * columns);
    yield (to - r0) / (r1 - r0);
  }
  return { level, row, column, rows, columns, values };
}
