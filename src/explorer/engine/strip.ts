/** @file One token through all layers: its row in every head, or the mean over a layer's heads. */
import { visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";

export interface StripShown {
  layers: number[];
  heads: number;
  keys: number;
  /** [layers, heads, keys]; NaN = may not attend. */
  values: Float32Array;
}

/** The lab call "strip". Cost: layers · heads · keys · D. */
export const strip: LabCall = async (asked, _options, context) => {
  const { run, kind, query } = asked as { run: number; kind: Kind; query: number };
  const { result, kinds } = context.run(run);
  const { layers, heads, keys } = kinds.find((k) => k.kind === kind)!;
  const values = new Float32Array(layers.length * heads * keys).fill(Number.NaN);
  for (const [l, layer] of layers.entries()) {
    const record = result.trace.record(layer, kind);
    for (let head = 0; head < record.heads; head++) {
      values.set(visibleWeights(record, { head, rows: [query, query + 1] }), (l * heads + head) * keys);
    }
    await context.breathe();
  }
  return { layers, heads, keys, values } satisfies StripShown;
};
