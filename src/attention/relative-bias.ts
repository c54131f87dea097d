/**
 * @file T5's relative position bias: one learned number per head and bucket of distance.
 * Raffel et al. 2020 (arXiv:1910.10683) §2.1; buckets as in their code: half of them exact, the rest logarithmic.
 */
import { ops } from "../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";
import type { BiasView } from "./options.js";

export interface BucketOptions {
  /** true: an encoder, which looks both ways; half of the buckets are for later keys. */
  bidirectional: boolean;
  /** Default 32. */
  buckets?: number | undefined;
  /** Distances from here on share the last bucket. Default 128. */
  maxDistance?: number | undefined;
}

/**
 * Bucket of a key at `distance` = key position − query position.
 * @example
 * relativeBucket(-3, { bidirectional: false })  // 3
 * relativeBucket(3, { bidirectional: true })  // 19
 */
export function relativeBucket(distance: number, options: BucketOptions): number {
  const { bidirectional, buckets = 32, maxDistance = 128 } = options;
  const side = bidirectional ? Math.floor(buckets / 2) : buckets;
  const base = bidirectional && distance > 0 ? side : 0;
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = Math.floor(side / 2);
  if (far < exact) return base + far;
  // In float32, as checkpoints were trained: at exact powers the last bit decides the bucket.
  const share = Math.fround(Math.fround(Math.log(Math.fround(far / exact))) / Math.log(maxDistance / exact));
  const log = exact + Math.trunc(Math.fround(share * (side - exact)));
  return base + Math.min(log, side - 1);
}

/**
 * The bias for a call, as a view of [H, Lq + Lk − 1] numbers: it depends on j − i alone, so a row of the table read
 * with step −1 along the queries serves every pair.
 * @param table [buckets, H], the checkpoint's relative_attention_bias.weight
 * @param options.queryOffset position of the first query; default keys − queries
 */
export function relativeBias(
  table: Tensor | TensorLike,
  options: BucketOptions & { queries: number; keys: number; queryOffset?: number | undefined },
): BiasView {
  const where = "relativeBias";
  const t = asTensor(table, where, "table");
  const { queries, keys, buckets = 32, queryOffset = keys - queries } = options;
  if (t.shape.length !== 2 || t.shape[0] !== buckets) {
    throw new ShapeError({
      where,
      argument: "table",
      got: `has shape ${show(t.shape)}`,
      expected: `[${buckets}, heads], a row per bucket`,
    });
  }
  if (!Number.isInteger(queryOffset)) {
    throw new OptionError({
      where,
      argument: "options.queryOffset",
      got: `is ${queryOffset}`,
      expected: "a whole number",
    });
  }
  const width = Math.max(0, queries + keys - 1);
  const ids = Int32Array.from({ length: width }, (_, w) => relativeBucket(w - (queries - 1) - queryOffset, options));
  const tensor = ops().permute(ops().gather(t, ids), [1, 0]); // [H, Lq + Lk − 1]
  return { tensor, offset: Math.max(0, queries - 1), strides: [0, width, -1, 1] };
}
