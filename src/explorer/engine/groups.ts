/**
 * @file Which tokens stand together as one row or column, and a map folded accordingly.
 *
 * A group of queries gives the mean of its rows, a group of keys the sum of its columns, so rows still add up to 1.
 * Hidden tokens are left out; their weight is then missing from the row, or the rest is divided by what is left when
 * `renormalise` is asked for.
 */
import type { Filter, Group, LayerMaps, Together, TokenView } from "./protocol.js";

/** The groups of an axis under a filter, in order. */
export function groupsOf(tokens: readonly TokenView[], filter: Filter): Group[] {
  const out: [number, number][] = [];
  tokens.forEach((t, i) => {
    if ((filter.hideSpecial && t.special) || (filter.hideFirst && i === 0)) return;
    if (filter.hidePunctuation && !t.special && isPunctuation(t)) return;
    const last = out.at(-1);
    const joins = filter.sentences ? !endsSentence(tokens, i) : filter.words && !t.startsWord;
    if (last && last[1] === i && joins && !t.special && !tokens[i - 1]!.special) last[1] = i + 1;
    else out.push([i, i + 1]);
  });
  return out;
}

const isPunctuation = ({ text }: TokenView): boolean => /^[\s\p{P}\p{S}]+$/u.test(text) && /[\p{P}\p{S}]/u.test(text);

/** Whether a sentence ended just before token i: a full stop and its like, closing marks, then another word. */
function endsSentence(tokens: readonly TokenView[], i: number): boolean {
  if (/^[\s\p{P}]*$/u.test(tokens[i]!.text) && !/^\n/.test(tokens[i]!.text)) return false; // marks belong to what they close
  const before = tokens.slice(Math.max(0, i - 4), i).map((t) => t.text).join(""); // biome-ignore format: one text
  return /[.!?…。！？]["'”’»)\]]*\s*$/u.test(before) || /\n\s*$/.test(before) || /^\n/.test(tokens[i]!.text);
}

/** Whether a filter changes anything: else maps are shown as they are. */
export function plain(filter: Filter): boolean {
  return !filter.hideSpecial && !filter.hideFirst && !filter.words && !filter.sentences && !filter.hidePunctuation;
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

/** Chosen heads as one map, put in the place of each of them; the other heads stay. */
export function together(maps: LayerMaps, asked: Together): LayerMaps {
  const size = maps.rows.length * maps.columns.length;
  const heads = (asked.heads.length > 0 ? asked.heads : [...Array(maps.heads).keys()]).filter((h) => h < maps.heads);
  if (heads.length === 0) return maps;
  const one = new Float32Array(size);
  const cell = new Float64Array(heads.length);
  for (let n = 0; n < size; n++) {
    heads.forEach((h, i) => { cell[i] = maps.values[h * size + n]!; }); // biome-ignore format: one line
    one[n] = foldCell(cell, asked.by);
  }
  const values = maps.values.slice();
  for (const h of heads) values.set(one, h * size);
  return { ...maps, values };
}

function foldCell(cell: Float64Array, by: Together["by"]): number {
  if (cell.every(Number.isNaN)) return Number.NaN;
  const seen = cell.map((w) => w || 0);
  const sum = seen.reduce((a, b) => a + b, 0);
  if (by === "mean") return sum / seen.length;
  if (by === "max") return Math.max(...seen);
  if (by === "min") return Math.min(...seen);
  if (sum === 0 || seen.length < 2) return 0;
  return seen.reduce((h, w) => (w > 0 ? h - (w / sum) * Math.log(w / sum) : h), 0) / Math.log(seen.length);
}
