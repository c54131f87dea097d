/** @file A row of a map written out once more in float64 from q and k; independent of the kernel and of the stored row sum. */
import { biasAt, mayAttend, type QkRecord } from "../../trace/index.js";

/** @returns weights [keys] and the row's log-sum-exp; zeros and −∞ for a row that may attend to nothing */
export function freshRow(record: QkRecord, head: number, query: number): { weights: Float64Array; lse: number } {
  const { call } = record;
  const { data: qs } = call.q.tensor;
  const { data: ks } = call.k.tensor;
  const qAt = call.q.offset + head * call.q.strides[1] + query * call.q.strides[2];
  const kHead = call.k.offset + Math.floor((head * call.keyHeads) / call.heads) * call.k.strides[1];
  const scores = new Float64Array(call.keys).fill(Number.NEGATIVE_INFINITY);
  let max = call.sinks?.data[head] ?? Number.NEGATIVE_INFINITY;
  for (let j = 0; j < call.keys; j++) {
    if (!mayAttend(call, 0, head, query, j)) continue;
    let dot = 0;
    for (let d = 0; d < call.headDim; d++) dot += qs[qAt + d]! * ks[kHead + j * call.k.strides[2] + d]!;
    const scaled = dot * call.scale;
    const s =
      (call.softcap ? call.softcap * Math.tanh(scaled / call.softcap) : scaled) + biasAt(call, 0, head, query, j);
    scores[j] = s;
    if (s > max) max = s;
  }
  if (max === Number.NEGATIVE_INFINITY) return { weights: new Float64Array(call.keys), lse: max };
  let total = call.sinks ? Math.exp(call.sinks.data[head]! - max) : 0;
  for (const s of scores) total += Math.exp(s - max);
  return { weights: scores.map((s) => Math.exp(s - max) / total), lse: max + Math.log(total) };
}
