/** @file Checks on what is shown: each map is held against what attention must be. */
import { type AttentionRecord, mayAttend, QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import { freshRow } from "./fresh-row.js";
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
  /** |stored row sum − row sum computed anew|, in ln. */
  sumDeviation: number;
  /** Smallest and largest weight. */
  lowest: number;
  highest: number;
  /** Rows that may see nothing real, and the most such a row spends. */
  emptyRows: number;
  emptyWeight: number;
  /** Of finished square maps: weight on later keys, all of it and the largest, and rows. */
  future: number;
  futureMost: number;
  squareRows: number;
  /** Heads whose map was given by hand: they are held to the rules, not to q and k. */
  given: number;
}

/** softmax in float32 over n keys: each weight is off by about (|s| + 2)·2⁻²⁴ of itself, and so is their sum. */
const tolerance = 2e-5;
/** A float32 score of size s is off by about s·2⁻²⁴ times the terms of its product; scores of some hundreds by 1e-4. */
const sumTolerance = 2e-3;

/** @param breathe is awaited after every head, so that what the reader asks meanwhile need not wait for all of them */
export async function badges(
  trace: Trace,
  kind: KindView["kind"],
  view: KindView,
  breathe: () => Promise<void> = async () => {},
): Promise<Badge[]> {
  const found: Findings = {
    rows: 0,
    worstSum: 0,
    maskedWeight: 0,
    nan: 0,
    padding: 0,
    saturatedHeads: 0,
    heads: 0,
    deviation: 0,
    sumDeviation: 0,
    lowest: 0,
    highest: 0,
    emptyRows: 0,
    emptyWeight: 0,
    future: 0,
    futureMost: 0,
    squareRows: 0,
    given: 0,
  };
  const padded = trace.sequences(kind).columns[0]?.mask;
  for (const layer of view.layers) {
    const record = trace.record(layer, kind);
    for (let head = 0; head < record.heads; head++) {
      look(record, head, padded, found);
      await breathe();
    }
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
      says: `largest weight on a pair that may not attend: ${show(found.maskedWeight)}${found.maskedWeight > 0 && found.given > 0 ? ", put there by hand" : ""}`,
    },
    {
      id: "no-nan",
      name: "No NaN",
      ok: found.nan === 0,
      says: found.nan === 0 ? "every number is a number" : `${found.nan} weights are NaN`,
    },
    {
      id: "range",
      name: "Weights lie in 0 … 1",
      ok: found.lowest >= 0 && found.highest <= 1 + tolerance,
      says: `from ${show(found.lowest)} to ${found.highest.toFixed(4)}`,
    },
    {
      id: "empty-rows",
      name: "Empty rows are zeros",
      ok: found.emptyWeight === 0,
      says:
        found.emptyRows === 0
          ? "every row may see something"
          : `${found.emptyRows} rows may see nothing; the most one of them spends: ${show(found.emptyWeight)}`,
    },
    {
      id: "no-leak",
      name: "No glimpse of the future",
      ok: !leaks(found),
      says: leaks(found)
        ? `later tokens get ${show(found.future / found.squareRows)} of a row, at most ${show(found.futureMost)}: a causal mask that does not quite hold`
        : found.future === 0
          ? "later tokens get nothing, or there are none"
          : "this attention reads both ways",
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
  const byHand = found.given === 0 ? "" : found.given === 1 ? "; one head was given by hand" : `; ${found.given} heads were given by hand`; // biome-ignore format: one line
  if (view.hasScores) {
    list.push({
      id: "recomputed",
      name: "Equals the reference",
      ok: found.deviation <= tolerance,
      says: `largest difference from softmax in float64: ${show(found.deviation)}${byHand}`,
    });
    list.push({
      id: "row-sum-kept",
      name: "Stored row sums hold",
      ok: found.sumDeviation <= sumTolerance,
      says: `largest difference of ln Σ from float64: ${show(found.sumDeviation)}`,
    });
  }
  return list;
}

/** Nearly everything looks back, but not quite everything: a mask that was meant to be causal. */
const leaks = (f: Findings): boolean => f.squareRows > 0 && f.future > 0 && f.future / f.squareRows < 0.02;

function look(record: AttentionRecord, head: number, padded: number[] | undefined, found: Findings): void {
  const { queries, keys } = record;
  const step = Math.max(1, Math.floor(queries / rowsLookedAt));
  const finished = !(record instanceof QkRecord);
  const given = !finished && record.given.has(head);
  if (given) found.given++;
  const sinks = !finished && record.call.sinks !== undefined;
  let saturated = 0;
  let rows = 0;
  for (let i = 0; i < queries; i += step) {
    const exact = record.weights({ batch: 0, head, rows: [i, i + 1] }).data;
    const row = visibleWeights(record, { head, rows: [i, i + 1] });
    let [sum, max, visible, most, least, ahead] = [0, 0, 0, 0, 0, 0];
    for (let j = 0; j < keys; j++) {
      const w = exact[j]!;
      if (Number.isNaN(w)) found.nan++;
      else sum += w;
      const real = padded?.[j] !== 0;
      if (Number.isNaN(row[j]!) && !finished) found.maskedWeight = Math.max(found.maskedWeight, Math.abs(w) || 0);
      else if (real) visible++;
      if (given && w > 0 && !mayAttend(record.call, 0, head, i, j))
        found.maskedWeight = Math.max(found.maskedWeight, w);
      if (!real) found.padding = Math.max(found.padding, w || 0);
      if (w > max) max = w;
      if (w > most) most = w;
      if (w < least) least = w;
      if (finished && queries === keys && record.site.kind !== "cross" && j > i && w > 0) {
        ahead += w;
        if (w > found.futureMost) found.futureMost = w;
      }
    }
    rows++;
    found.lowest = Math.min(found.lowest, least);
    found.highest = Math.max(found.highest, most);
    found.future += ahead;
    if (finished && queries === keys && record.site.kind !== "cross") found.squareRows++;
    if (max > 0.99 && visible > 1) saturated++;
    // A row of a padded query in a finished map says nothing; one that may see nothing must spend nothing.
    const nothing = visible === 0 || (finished && sum === 0);
    if (nothing) {
      found.emptyRows++;
      found.emptyWeight = Math.max(found.emptyWeight, sum);
    } else if (!sinks) found.worstSum = Math.max(found.worstSum, Math.abs(sum - 1) || 0);
    if (!finished && !given && i % (step * 8) === 0) hold(record, head, i, exact, found);
  }
  found.rows += rows;
  found.heads++;
  if (saturated > rows / 2) found.saturatedHeads++;
}

/** One row held against the same row computed anew in float64. */
function hold(record: QkRecord, head: number, query: number, weights: Float32Array, found: Findings): void {
  const fresh = freshRow(record, head, query);
  for (let j = 0; j < weights.length; j++) {
    const gap = Math.abs(fresh.weights[j]! - weights[j]!);
    if (!(gap <= found.deviation)) found.deviation = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap;
  }
  const stored = record.lse.data[head * record.queries + query]!;
  const gap = stored === fresh.lse ? 0 : Math.abs(stored - fresh.lse);
  if (!(gap <= found.sumDeviation)) found.sumDeviation = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap;
}
