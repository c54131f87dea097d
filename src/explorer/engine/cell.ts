/** @file The numbers behind a cell and behind a row, each found in the record. */
import { UnavailableError } from "../../tensor/index.js";
import { type AttentionRecord, QkRecord, visibleWeights } from "../../trace/index.js";
import type { PairView, RowScores } from "./protocol.js";

/** How a weight came about, and where it stands in its row. */
export function pairView(
  record: AttentionRecord,
  { layer, head, query, key }: { layer: number; head: number; query: number; key: number },
): PairView {
  const row = visibleRow(record, head, query);
  const weight = row[key]!;
  let rank = 1;
  let visible = 0;
  for (const w of row) {
    if (Number.isNaN(w)) continue;
    visible++;
    if (w > weight) rank++;
  }
  const norms = valueNorms(record, head, row);
  const base = {
    layer,
    head,
    query,
    key,
    rank,
    visible,
    valueNorm: norms?.norm(key) ?? null,
    valueShare: norms?.share(key) ?? null,
  };
  if (!(record instanceof QkRecord)) {
    const none = Number.NaN;
    const empty = new Float32Array(0);
    return { ...base, q: empty, k: empty, dot: none, scale: none, scaled: none, softcap: null, capped: none, bias: none, masked: Number.isNaN(weight), score: none, lse: none, weight: Number.isNaN(weight) ? 0 : weight, given: false }; // biome-ignore format: one record
  }
  const pair = record.pair(0, head, query, key);
  return { ...base, ...pair, q: pair.q.slice(), k: pair.k.slice(), softcap: record.call.softcap ?? null };
}

/** A row's weights, NaN where the pair may not attend. */
export const visibleRow = (record: AttentionRecord, head: number, query: number): Float32Array =>
  visibleWeights(record, { head, rows: [query, query + 1] });

/** A row's scores, key by key. */
export function rowScores(record: AttentionRecord, head: number, query: number): RowScores {
  if (!(record instanceof QkRecord)) {
    throw new UnavailableError({ where: "explore", argument: "the trace", got: "holds finished maps, no q and k" });
  }
  const dot = new Float64Array(record.keys);
  const score = new Float64Array(record.keys);
  for (let j = 0; j < record.keys; j++) {
    const p = record.pair(0, head, query, j);
    dot[j] = p.dot;
    score[j] = p.score;
  }
  return { query, dot, score, weight: visibleRow(record, head, query) };
}

function valueNorms(record: AttentionRecord, head: number, row: Float32Array) {
  if (!(record instanceof QkRecord) || !record.values) return undefined;
  const [, Hk, Lk, Dv] = record.values.shape as [number, number, number, number];
  const at = Math.floor((head * Hk) / record.heads) * Lk;
  const { data } = record.values;
  const norm = (j: number): number => Math.hypot(...data.subarray((at + j) * Dv, (at + j + 1) * Dv));
  let total = 0;
  row.forEach((w, j) => {
    if (!Number.isNaN(w)) total += w * norm(j);
  });
  return { norm, share: (j: number) => (total > 0 && !Number.isNaN(row[j]!) ? (row[j]! * norm(j)) / total : 0) };
}
