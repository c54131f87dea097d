/** @file Every head of a kind as a thumbnail, pooled by maximum. */
import { type AttentionRecord, type Trace, thumbnail, visibleWeights } from "../../trace/index.js";
import type { Atlas, CallOptions, KindView } from "./protocol.js";

export async function atlasOf(
  trace: Trace,
  { kind, layers, heads, queries, keys }: KindView,
  size: number,
  options: CallOptions,
  breathe: () => Promise<void>,
): Promise<Atlas> {
  const [R, C] = [Math.min(size, queries), Math.min(size, keys)];
  const values = new Float32Array(layers.length * heads * size * size).fill(Number.NaN);
  let done = 0;
  for (const [l, layer] of layers.entries()) {
    const record = trace.record(layer, kind);
    for (let head = 0; head < heads; head++) {
      const small = await thumbnailOf(record, head, size, options.signal, breathe);
      for (let r = 0; r < R; r++) {
        values.set(small.subarray(r * C, (r + 1) * C), ((l * heads + head) * size + r) * size);
      }
      options.onProgress?.(++done, layers.length * heads, "heads drawn");
    }
  }
  return { size, layers: [...layers], heads, values };
}

/** A head's thumbnail; of a long text two rows of each band are read, which the page says: all of them would take a minute. */
async function thumbnailOf(
  record: AttentionRecord,
  head: number,
  size: number,
  signal: AbortSignal | undefined,
  breathe: () => Promise<void>,
): Promise<Float32Array> {
  const { queries, keys } = record;
  if (queries * keys <= 2 ** 20) return thumbnail(visibleWeights(record, { head }), queries, keys, size).values;
  const [R, C] = [Math.min(size, queries), Math.min(size, keys)];
  const out = new Float32Array(R * C).fill(Number.NaN);
  for (let r = 0; r < R; r++) {
    const rows: [number, number] = [Math.ceil((r * queries) / R), Math.ceil(((r + 1) * queries) / R)];
    const one = rows[0] + Math.floor((rows[1] - rows[0]) / 2); // a row in the middle stands for its band
    const part = visibleWeights(record, { head, rows: [one, Math.min(rows[1], one + 2)] });
    for (let n = 0; n < part.length; n++) {
      const at = r * C + Math.floor(((n % keys) * C) / keys);
      if (!Number.isNaN(part[n]!) && !(out[at]! >= part[n]!)) out[at] = part[n]!;
    }
    await breathe();
    signal?.throwIfAborted();
  }
  return out;
}
