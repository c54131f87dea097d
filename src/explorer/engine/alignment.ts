/**
 * @file The alignment a map draws: the path of one key a query that never goes back and carries the most weight. Found by
 * dynamic programming over all monotone paths, as dynamic time warping with steps of any length along the keys.
 */
import { visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { At } from "./protocol.js";

export interface PathShown {
  /** A key for each query, ascending. */
  keys: number[];
  /** Mean weight on the path, and what the best key of each row alone would give: 1 of it = a monotone head. */
  mean: number;
  best: number;
}

/** The lab call "alignment". */
export const alignment: LabCall = async (asked, _options, context) => {
  const { run, kind, layer, head } = asked as At;
  const record = context.run(run).result.trace.record(layer, kind);
  return alignmentPath(visibleWeights(record, { head }), record.queries, record.keys);
};

export function alignmentPath(map: ArrayLike<number>, queries: number, keys: number): PathShown {
  const from = new Int32Array(queries * keys); // the key of the row above on the best path that ends here
  let above = new Float64Array(keys);
  for (let i = 0; i < queries; i++) {
    const here = new Float64Array(keys);
    let lead = 0; // best end among keys 0 … j of the row above
    for (let j = 0; j < keys; j++) {
      if (above[j]! > above[lead]!) lead = j;
      from[i * keys + j] = lead;
      here[j] = (i > 0 ? above[lead]! : 0) + (map[i * keys + j]! || 0);
    }
    above = here;
  }
  let at = 0;
  for (let j = 1; j < keys; j++) if (above[j]! > above[at]!) at = j;
  const total = above[at]!;
  const out = new Array<number>(queries);
  for (let i = queries - 1; i >= 0; i--) {
    out[i] = at;
    at = from[i * keys + at]!;
  }
  let best = 0;
  for (let i = 0; i < queries; i++) {
    let most = 0;
    for (let j = 0; j < keys; j++) most = Math.max(most, map[i * keys + j]! || 0);
    best += most;
  }
  return { keys: out, mean: total / queries, best: best / queries };
}
