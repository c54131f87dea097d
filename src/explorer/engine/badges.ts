/** @file Checks on what is shown: each map is held against what attention must be. */
import { type AttentionRecord, mayAttend, QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import type { Badge, KindView } from "./protocol.js";

/** Rows looked at in a long text, spread evenly: the check says so. */
const rowsLookedAt = 256;

interface Findings {
  rows: number;
  worstSum: number;
  maskedWeight: number;
  nan: number;
  padding: number;
  saturatedHeads: number;
  heads: number;
  deviation: number;
}

/** softmax in float32 over n keys: each weight is off by about (|s| + 2)·2⁻²⁴ of itself, and so is their sum. */
const tolerance = 2e-5;

export function badges(trace: Trace, kind: KindView["kind"], view: KindView): Badge[] {
  const found: Findings = {
    rows: 0,
    worstSum: 0,
    maskedWeight: 0,
    nan: 0,
    padding: 0,
    saturatedHeads: 0,
    heads: 0,
    deviation: 0,
  };
  const padded = trace.sequences(kind).columns[0]?.mask;
  for (const layer of view.layers) {
    const record = trace.record(layer, kind);
    for (let head = 0; head < record.heads; head++) look(record, head, padded, found);
  }
  const sampled = view.queries > rowsLookedAt ? ` of ${rowsLookedAt} rows a head` : "";
  const show = (x: number): string => (x === 0 ? "0" : x.toExponential(1));
  const list: Badge[] = [
    {
      id: "row-sums",
      name: "Rows sum to 1",
      ok: found.worstSum <= tolerance,
      says: `${found.rows} rows${sampled}, largest |Σ − 1| ${show(found.worstSum)}`,
    },
    {
      id: "masked-zero",
      name: "Masked pairs are 0",
      ok: found.maskedWeight === 0,
      says: `largest weight on a pair that may not attend: ${show(found.maskedWeight)}`,
    },
    {
      id: "no-nan",
      name: "No NaN",
      ok: found.nan === 0,
      says: found.nan === 0 ? "every number is a number" : `${found.nan} weights are NaN`,
    },
    {
      id: "padding",
      name: "Padding unseen",
      ok: found.padding <= tolerance,
      says: padded ? `largest weight on a padded key: ${show(found.padding)}` : "nothing is padded",
    },
    {
      id: "saturation",
      name: "Not saturated",
      ok: found.saturatedHeads <= found.heads / 2,
      says: `${found.saturatedHeads} of ${found.heads} heads give one key more than 0.99 in over half of their rows`,
    },
  ];
  if (view.hasScores) {
    list.push({
      id: "recomputed",
      name: "Equals the reference",
      ok: found.deviation <= tolerance,
      says: `largest difference from softmax in float64: ${show(found.deviation)}`,
    });
  }
  return list;
}

function look(record: AttentionRecord, head: number, padded: number[] | undefined, found: Findings): void {
  const { queries, keys } = record;
  const step = Math.max(1, Math.floor(queries / rowsLookedAt));
  let saturated = 0;
  let rows = 0;
  for (let i = 0; i < queries; i += step) {
    const exact = record.weights({ batch: 0, head, rows: [i, i + 1] }).data;
    const row = visibleWeights(record, { head, rows: [i, i + 1] });
    let sum = 0;
    let max = 0;
    let visible = 0;
    for (let j = 0; j < keys; j++) {
      const w = exact[j]!;
      if (Number.isNaN(w)) found.nan++;
      else sum += w;
      if (Number.isNaN(row[j]!)) found.maskedWeight = Math.max(found.maskedWeight, Math.abs(w) || 0);
      else visible++;
      if (padded?.[j] === 0) found.padding = Math.max(found.padding, w);
      if (w > max) max = w;
    }
    rows++;
    if (max > 0.99 && visible > 1) saturated++;
    const sinks = record instanceof QkRecord && record.call.sinks !== undefined;
    if (visible > 0 && !sinks) found.worstSum = Math.max(found.worstSum, Math.abs(sum - 1));
    if (record instanceof QkRecord && i % (step * 8) === 0) {
      found.deviation = Math.max(found.deviation, deviation(record, head, i, exact));
    }
  }
  found.rows += rows;
  found.heads++;
  if (saturated > rows / 2) found.saturatedHeads++;
}

/** Softmax written out once more in float64 for one row, from q and k; independent of the kernel and of the stored row sum. */
function deviation(record: QkRecord, head: number, query: number, weights: Float32Array): number {
  const { call } = record;
  const { data: qs } = call.q.tensor;
  const { data: ks } = call.k.tensor;
  const qAt = call.q.offset + head * call.q.strides[1] + query * call.q.strides[2];
  const kHead = call.k.offset + Math.floor((head * call.keyHeads) / call.heads) * call.k.strides[1];
  const scores: number[] = [];
  for (let j = 0; j < call.keys; j++) {
    if (!mayAttend(call, 0, head, query, j)) {
      scores.push(Number.NEGATIVE_INFINITY);
      continue;
    }
    let dot = 0;
    for (let d = 0; d < call.headDim; d++) dot += qs[qAt + d]! * ks[kHead + j * call.k.strides[2] + d]!;
    let s = dot * call.scale;
    if (call.softcap) s = call.softcap * Math.tanh(s / call.softcap);
    const b = call.bias;
    if (b) s += b.tensor.data[b.offset + head * b.strides[1] + query * b.strides[2] + j * b.strides[3]]!;
    if (call.alibi) s -= call.alibi.slopes[head]! * Math.abs(call.alibi.queryOffset + query - j);
    scores.push(s);
  }
  const sink = call.sinks?.data[head] ?? Number.NEGATIVE_INFINITY;
  const max = Math.max(sink, ...scores);
  if (max === Number.NEGATIVE_INFINITY) return 0;
  const e = scores.map((s) => Math.exp(s - max));
  const total = e.reduce((a, b) => a + b, Math.exp(sink - max));
  return e.reduce((worst, x, j) => Math.max(worst, Math.abs(x / total - weights[j]!)), 0);
}
