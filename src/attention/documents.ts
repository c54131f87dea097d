/**
 * @file Packed documents: only tokens of one document attend to each other.
 *
 * Where each document is one run of keys, as packing makes them, that run is the interval; ids that come back after
 * another document are compared pair by pair.
 */
import type { AttentionRule } from "../kernels/kernel.js";
import { ShapeError } from "../tensor/index.js";
import { integers, table } from "./lists.js";
import type { Extent } from "./options.js";

interface Ids {
  data: Int32Array;
  length: number;
  stride: number;
}

/** Narrows the rule in place. Cost: O(B·(Lq + Lk)). */
export function applyDocuments(
  rule: AttentionRule,
  given: unknown,
  extent: Extent,
  offsets: Int32Array,
  where: string,
): void {
  const argument = "options.documentIds";
  const { batch, queries, keys } = extent;
  const read = (value: unknown, length: number | undefined, name: string): Ids => {
    const t = table(value, batch, length, where, name);
    return { ...t, data: integers(t.data, where, name) };
  };
  const apart = typeof given === "object" && given !== null && "query" in given && "key" in given;
  const key = apart ? read(given.key, keys, `${argument}.key`) : read(given, keys, argument);
  const query = apart
    ? read(given.query, queries, `${argument}.query`)
    : queryIds(key, extent, offsets, rule.perBatch, where);
  const items = rule.perBatch ? batch : 1;
  let outOfOrder = false;
  for (let b = 0; b < items; b++) {
    const runs = new Map<number, [from: number, to: number]>();
    const at = b * key.stride;
    for (let j = 0; j < keys; j++) {
      const run = runs.get(key.data[at + j]);
      if (!run) runs.set(key.data[at + j], [j, j + 1]);
      else {
        outOfOrder ||= run[1] !== j;
        run[1] = j + 1;
      }
    }
    for (let i = 0; i < queries; i++) {
      const [from, to] = runs.get(query.data[b * query.stride + i]) ?? [0, 0];
      const r = b * queries + i;
      rule.first[r] = Math.max(rule.first[r], from);
      rule.end[r] = Math.min(rule.end[r], to);
    }
  }
  if (outOfOrder) {
    rule.documents = { query: query.data, key: key.data, queryStride: query.stride, keyStride: key.stride };
  }
}

/** Ids of the queries from those of the keys: query i stands at position offset + i. */
function queryIds(
  key: Ids,
  { batch, queries, keys }: Extent,
  offsets: Int32Array,
  perBatch: boolean,
  where: string,
): Ids {
  const items = perBatch ? batch : 1;
  const data = new Int32Array(items * queries);
  for (let b = 0; b < items; b++) {
    const offset = offsets[b] ?? 0;
    if (queries > 0 && (offset < 0 || offset + queries > keys)) {
      throw new ShapeError({
        where,
        argument: "options.documentIds",
        got: `says nothing about queries at positions ${offset} to ${offset + queries - 1}`,
        expected: `positions 0 to ${keys - 1}, those of the keys`,
        fix: "give { query: [batch, queries], key: [batch, keys] }",
      });
    }
    for (let i = 0; i < queries; i++) data[b * queries + i] = key.data[b * key.stride + offset + i];
  }
  return { data, length: queries, stride: items === 1 ? 0 : queries };
}
