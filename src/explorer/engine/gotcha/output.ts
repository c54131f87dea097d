/** @file What a mistake does to what one attention gives, from q, k and v alone: so also where there is no model to run. */
import type { AttentionCall, Heads } from "../../../kernels/kernel.js";
import { tensor } from "../../../tensor/index.js";
import { type QkRecord, visibleWeights } from "../../../trace/index.js";
import { keyHead } from "./formulas.js";
import type { Gotcha } from "./list.js";
import { mistaken } from "./mistaken.js";

/** ‖wrong − right‖ / ‖right‖ over all heads of the first text; null where v is not known. Cost: heads · Lq · Lk · d. */
export function outputChange(record: QkRecord, mistake: Gotcha): number | null {
  const { values, call } = record;
  if (!values) return null;
  const [, keyHeads, keys, valueDim] = values.shape as [number, number, number, number];
  const { heads, queries } = call;
  const out = new Float32Array(heads * queries * valueDim);
  for (let h = 0; h < heads; h++) {
    const w = visibleWeights(record, { head: h });
    const from = keyHead({ heads, keyHeads } as AttentionCall, h) * keys * valueDim;
    for (let i = 0; i < queries; i++)
      for (let j = 0; j < keys; j++) {
        const weight = w[i * keys + j]!;
        if (!(weight > 0)) continue; // NaN where nothing may be seen
        for (let d = 0; d < valueDim; d++) out[(h * queries + i) * valueDim + d]! += weight * values.data[from + j * valueDim + d]!; // biome-ignore format: one sum
      }
  }
  const v: Heads = { tensor: values, offset: 0, strides: [keyHeads * keys * valueDim, keys * valueDim, valueDim] };
  const given: AttentionCall = { ...call, batch: 1, v, valueDim, outputLayout: "heads" };
  const right = tensor(out, [1, heads, queries, valueDim]);
  const wrong = mistaken(mistake).after!(record.site, given, { output: right, lse: record.lse }).output.data;
  let [off, all] = [0, 0];
  for (let n = 0; n < out.length; n++) {
    off += (wrong[n]! - out[n]!) ** 2;
    all += out[n]! ** 2;
  }
  return all > 0 ? Math.sqrt(off / all) : null;
}
