/**
 * @file Value-weighted maps: α·‖v·W_O‖ in place of α. A key with a large weight and a tiny value moves nothing, which is
 * how heads rest on the first token. Kobayashi et al. 2020 (arXiv:2004.10102).
 *
 * Rows are brought back to sum 1, so that the two maps can be laid beside each other. Where W_O is not at hand, ‖v‖ is used.
 */
import { UnavailableError } from "../../tensor/index.js";
import { QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import { fold, groupsOf } from "./groups.js";
import type { Filter, KindView, LayerMaps } from "./protocol.js";
import type { Source } from "./sources.js";

export function valueWeightedMaps(
  trace: Trace,
  source: Source,
  view: KindView,
  { layer, filter }: { layer: number; filter: Filter },
): LayerMaps {
  const record = trace.record(layer, view.kind);
  if (!(record instanceof QkRecord) || !record.values) {
    throw new UnavailableError({
      where: "explore",
      argument: "the trace",
      got: "has no value vectors",
      fix: "record it with values: qkv trace --values",
    });
  }
  const { heads, queries, keys } = record;
  const rows = groupsOf(view.rows, filter);
  const columns = groupsOf(view.columns, filter);
  const values = new Float32Array(heads * rows.length * columns.length);
  for (let head = 0; head < heads; head++) {
    const norms = effectNorms(record, head, source);
    const map = visibleWeights(record, { head });
    for (let i = 0; i < queries; i++) {
      let total = 0;
      for (let j = 0; j < keys; j++) {
        const w = (map[i * keys + j]! *= norms[j]!);
        if (!Number.isNaN(w)) total += w;
      }
      if (total > 0) for (let j = 0; j < keys; j++) map[i * keys + j]! /= total;
    }
    values.set(fold(map, keys, rows, columns, filter.renormalise), head * rows.length * columns.length);
  }
  return { kind: view.kind, layer, heads, rows, columns, values };
}

/** ‖v_j·W_O‖ for each key, or ‖v_j‖. */
function effectNorms(record: QkRecord, head: number, source: Source): Float64Array {
  const [, Hk, Lk, Dv] = record.values!.shape as [number, number, number, number];
  const at = Math.floor((head * Hk) / record.heads) * Lk;
  const { data } = record.values!;
  const projection = source.outputProjection?.(record.site.layer, head, record.site.kind); // [width, Dv]
  return Float64Array.from({ length: Lk }, (_, j) => {
    const v = data.subarray((at + j) * Dv, (at + j + 1) * Dv);
    if (!projection) return Math.hypot(...v);
    let square = 0;
    for (let n = 0; n < projection.shape[0]!; n++) {
      let dot = 0;
      for (let d = 0; d < Dv; d++) dot += projection.data[n * Dv + d]! * v[d]!;
      square += dot * dot;
    }
    return Math.sqrt(square);
  });
}
