/** @file What kinds of attention a trace holds, with the tokens along their maps. */
import { QkRecord, type Trace } from "../../trace/index.js";
import type { KindView } from "./protocol.js";
import { tokenViews } from "./tokens.js";

export function describeKinds(trace: Trace): KindView[] {
  return trace.kinds.map((kind) => {
    const layers = trace.layers(kind);
    const record = trace.record(layers[0]!, kind);
    const { rows, columns } = trace.sequences(kind);
    const qk = record instanceof QkRecord ? record : undefined;
    const ends = qk?.call.rule.end;
    return {
      kind,
      layers,
      heads: Math.max(...layers.map((l) => trace.record(l, kind).heads)),
      keyHeads: record.keyHeads,
      queries: record.queries,
      keys: record.keys,
      headDim: qk?.call.headDim ?? 0,
      rows: tokenViews(rows[0], record.queries),
      columns: tokenViews(columns[0], record.keys),
      hasScores: qk !== undefined,
      hasValues: qk?.values !== undefined,
      causal: ends !== undefined && record.queries > 1 && ends[0]! < record.keys && ends[0]! < ends[ends.length - 1]!,
    };
  });
}
