/** @file A row of a map as a real table: the strongest keys with rank and exact weight. */
import { html, type TemplateResult } from "lit";
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { groupLabel, weightText } from "../scene/tokens.js";
import { framed } from "./framed.js";

export function rowTable(
  k: KindView,
  maps: LayerMaps,
  head: number,
  row: number,
  caption: string,
  top = 8,
): TemplateResult {
  const C = maps.columns.length;
  const at = (head * maps.rows.length + row) * C;
  const keys = [...Array(C).keys()].filter((j) => maps.values[at + j]! > 0).sort((a, b) => maps.values[at + b]! - maps.values[at + a]! || a - b).slice(0, top); // biome-ignore format: one list
  const table = html`<table class="numbers">
    <caption>${caption}: <bdi class="query-word">${groupLabel(k.rows, maps.rows[row]!)}</bdi></caption>
    <thead><tr><th scope="col">rank</th><th scope="col">key</th><th scope="col">position</th><th scope="col">weight</th></tr></thead>
    <tbody>
      ${keys.map((j, n) => html`<tr><td>${n + 1}</td><th scope="row"><bdi>${groupLabel(k.columns, maps.columns[j]!)}</bdi></th><td>${maps.columns[j]![0]}</td><td>${weightText(maps.values[at + j]!)}</td></tr>`)}
    </tbody>
  </table>`;
  return framed(caption, table);
}
