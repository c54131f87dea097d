/** @file What a reader can do, as plain functions on the store: used by pointer, keyboard, lessons and tests alike. */
import { leadingType } from "../../trace/head-types.js";
import type { HeadTypesView, KindView, LayerMaps } from "../engine/protocol.js";
import { tokenLabel, weightText } from "../scene/tokens.js";
import type { Store } from "./store.js";

export const layerOf = (store: Store, k: KindView): number =>
  k.layers.includes(store.choice.value.layer) ? store.choice.value.layer : k.layers[0]!;
export const headOf = (store: Store, k: KindView): number =>
  Math.min(Math.max(0, store.choice.value.head), k.heads - 1);

export function chooseHead(store: Store, layer: number, head: number): void {
  const { heads } = store.choice.peek();
  store.change({ layer, head, ...(heads.length > 0 && !heads.includes(head) && { heads: [] }) }, "push");
  const type = store.types();
  const scores = type?.state === "ready" ? type.value : undefined;
  const says = scores ? describeHead(store, layer, head) : "";
  store.spoken.value = `Layer ${layer}, head ${head}. ${says}`;
}

/** Steps through layers or heads, stopping at the ends. */
export function stepHead(store: Store, layers: number, heads: number): void {
  const k = store.kind.peek();
  if (!k) return;
  const at = k.layers.indexOf(layerOf(store, k));
  const layer = k.layers[Math.min(k.layers.length - 1, Math.max(0, at + layers))]!;
  chooseHead(store, layer, Math.min(k.heads - 1, Math.max(0, headOf(store, k) + heads)));
}

export function chooseCell(store: Store, query: number, key: number): void {
  store.change({ query, key });
  speakCell(store);
}

/** Moves the cursor; from nowhere it starts at the last query and its strongest key. */
export function moveCell(store: Store, down: number, right: number): void {
  const k = store.kind.peek();
  if (!k) return;
  const c = store.choice.peek();
  if (c.query < 0) {
    const maps = store.maps();
    const query = k.queries - 1;
    chooseCell(
      store,
      query,
      maps?.state === "ready" ? strongest(maps.value, headOf(store, k), maps.value.rows.length - 1) : 0,
    );
    return;
  }
  const clamp = (x: number, n: number): number => Math.min(n - 1, Math.max(0, x));
  chooseCell(store, clamp(c.query + down, k.queries), clamp(Math.max(0, c.key) + right, k.keys));
}

/** The key (as a token) with the largest weight of a row of groups. */
export function strongest(maps: LayerMaps, head: number, row: number): number {
  const C = maps.columns.length;
  const start = (head * maps.rows.length + row) * C;
  let best = 0;
  for (let j = 1; j < C; j++) if (maps.values[start + j]! > (maps.values[start + best]! || 0)) best = j;
  return maps.columns[best]?.[0] ?? 0;
}

/** Which group a token is in; −1 when hidden. */
export function groupAt(groups: LayerMaps["rows"], token: number): number {
  if (token < 0) return -1;
  if (groups.length > 0 && groups[token]?.[0] === token) return token;
  return groups.findIndex(([from, to]) => token >= from && token < to);
}

export interface CellWords {
  query: string;
  key: string;
  weight: number;
  rank: number;
  visible: number;
}

export function cellWords(
  maps: LayerMaps,
  k: KindView,
  head: number,
  query: number,
  key: number,
): CellWords | undefined {
  const [r, c] = [groupAt(maps.rows, query), groupAt(maps.columns, key)];
  if (r < 0 || c < 0) return undefined;
  const C = maps.columns.length;
  const row = maps.values.subarray((head * maps.rows.length + r) * C, (head * maps.rows.length + r + 1) * C);
  const weight = row[c]!;
  let [rank, visible] = [1, 0];
  for (const w of row) {
    if (Number.isNaN(w)) continue;
    visible++;
    if (w > weight) rank++;
  }
  const name = (tokens: KindView["rows"], group: readonly [number, number]): string =>
    tokenLabel({
      text: tokens
        .slice(group[0], group[1])
        .map((t) => t.text)
        .join(""),
      raw: tokens[group[0]]!.raw,
    });
  return { query: name(k.rows, maps.rows[r]!), key: name(k.columns, maps.columns[c]!), weight, rank, visible };
}

export function speakCell(store: Store): void {
  const k = store.kind.peek();
  const maps = store.maps();
  const { query, key } = store.choice.peek();
  if (!k || query < 0 || key < 0) return;
  if (!maps) return void speakFar(store, k, query, key);
  if (maps.state !== "ready") return;
  const w = cellWords(maps.value, k, headOf(store, k), query, key);
  if (w) store.spoken.value = cellSaid(store, k, w);
}

function cellSaid(store: Store, k: KindView, w: CellWords): string {
  const head = `layer ${layerOf(store, k)} head ${headOf(store, k)}`;
  return Number.isNaN(w.weight)
    ? `${head}, “${w.query}” may not look at “${w.key}”`
    : `${head}, “${w.query}” looks at “${w.key}”, ${weightText(w.weight)}, rank ${w.rank} of ${w.visible}`;
}

/** The cell of a map too long to be held: its row is asked for. */
async function speakFar(store: Store, k: KindView, query: number, key: number): Promise<void> {
  const [row, column] = [k.rows[query], k.columns[key]];
  const run = store.shown.peek();
  if (!run || !row || !column) return;
  const p = await store.engine.pair({ run: run.id, kind: k.kind, layer: layerOf(store, k), head: headOf(store, k), query, key }).catch(() => undefined); // biome-ignore format: one question
  const now = store.choice.peek();
  if (!p || now.query !== query || now.key !== key) return; // the cursor has gone on
  const weight = p.masked ? Number.NaN : p.weight;
  store.spoken.value = cellSaid(store, k, { ...p, query: tokenLabel(row), key: tokenLabel(column), weight });
}

/** One sentence about what a head does on this text. */
export function describeHead(store: Store, layer: number, head: number): string {
  const types = store.types();
  if (types?.state !== "ready") return "";
  const scores = types.value.heads.find((h) => h.layer === layer && h.head === head)?.scores;
  if (!scores) return "";
  const lead = leading(types.value, layer, head);
  if (!lead) return "No single habit stands out on this text.";
  const type = types.value.types.find((t) => t.id === lead.id)!;
  if (lead.id === "broad")
    return `Broad: its rows are ${Math.round(100 * scores["broad"]!)} % as uniform as they could be.`;
  return `${type.name}: ${scores[lead.id]!.toFixed(2)} where a uniform head has ${type.chance.toFixed(2)}.`;
}

/** The habit that stands out most, as the library names it. */
export function leading(
  view: HeadTypesView,
  layer: number,
  head: number,
): { id: string; strength: number } | undefined {
  const scores = view.heads.find((h) => h.layer === layer && h.head === head)?.scores;
  return scores && leadingType(scores, Object.fromEntries(view.types.map((t) => [t.id, t.chance])));
}
