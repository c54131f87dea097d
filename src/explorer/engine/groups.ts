/**
 * @file Which tokens stand together as one row or column, and a map folded accordingly.
 *
 * A group of queries gives the mean of its rows, a group of keys the sum of its columns, so rows still add up to 1.
 * Hidden tokens are left out; their weight is then missing from the row, or the rest is divided by what is left when
 * `renormalise` is asked for.
 */
import type { Filter, Group, TokenView } from "./protocol.js";

/** The groups of an axis under a filter, in order. */
export function groupsOf(tokens: readonly TokenView[], filter: Filter): Group[] {
  const out: [number, number][] = [];
  tokens.forEach((t, i) => {
    if ((filter.hideSpecial && t.special) || (filter.hideFirst && i === 0)) return;
    const last = out.at(-1);
    if (filter.words && last && last[1] === i && !t.startsWord && !tokens[i - 1]!.special) last[1] = i + 1;
    else out.push([i, i + 1]);
  });
  return out;
}

/** Whether a filter changes anything: else maps are shown as they are. */
export function plain(filter: Filter): boolean {
  return !filter.hideSpecial && !filter.hideFirst && !filter.words;
}

/**
 * Folds one map [Lq, Lk] (NaN = may not attend). A cell is NaN when all its pairs are.
 * @returns [rows, columns]
 */
export function fold(
  map: Float32Array,
  keys: number,
  rows: readonly Group[],
  columns: readonly Group[],
  renormalise: boolean,
): Float32Array {
  const out = new Float32Array(rows.length * columns.length);
  rows.forEach(([r0, r1], r) => {
    let total = 0;
    columns.forEach(([c0, c1], c) => {
      let sum = 0;
      let seen = false;
      for (let i = r0; i < r1; i++) {
        for (let j = c0; j < c1; j++) {
          const w = map[i * keys + j]!;
          if (Number.isNaN(w)) continue;
          seen = true;
          sum += w;
        }
      }
      const value = seen ? sum / (r1 - r0) : Number.NaN;
      out[r * columns.length + c] = value;
      if (seen) total += value;
    });
    if (renormalise && total > 0) for (let c = 0; c < columns.length; c++) out[r * columns.length + c]! /= total;
  });
  return out;
}
