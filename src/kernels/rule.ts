/** @file The meaning of an `AttentionRule`, in loops: which keys a query sees. */
import type { AttentionRule } from "./kernel.js";

/** What a rule needs to know of the call it stands in. */
export interface RuleExtent {
  queries: number;
  keys: number;
  rule: AttentionRule;
}

/**
 * Writes the keys in [from, to) that query i of head h of batch item b may attend to into `into`, in ascending order.
 * @returns how many. Cost: O(end − first).
 */
export function visibleKeys(
  { queries, keys, rule }: RuleExtent,
  b: number,
  h: number,
  i: number,
  into: Int32Array,
  from = 0,
  to = keys,
): number {
  const { keyMask, mask, documents, blocks } = rule;
  const r = rule.perBatch ? b * queries + i : i;
  const start = Math.max(from, rule.first[r]);
  const stop = Math.min(to, keys, rule.end[r]);
  const keyMaskAt = keyMask ? b * keyMask.batchStride : 0;
  const maskAt = mask ? b * mask.strides[0] + h * mask.strides[1] + i * mask.strides[2] : 0;
  const document = documents ? documents.query[b * documents.queryStride + i] : 0;
  const documentAt = documents ? b * documents.keyStride : 0;
  const blockAt = blocks
    ? b * blocks.strides[0] + h * blocks.strides[1] + Math.floor(i / blocks.size) * blocks.strides[2]
    : 0;
  let count = 0;
  for (let j = start; j < stop; j++) {
    if (keyMask && keyMask.data[keyMaskAt + j] === 0) continue;
    if (mask && mask.data[maskAt + j * mask.strides[3]] === 0) continue;
    if (documents && documents.key[documentAt + j] !== document) continue;
    if (blocks && blocks.data[blockAt + Math.floor(j / blocks.size) * blocks.strides[3]] === 0) continue;
    into[count++] = j;
  }
  return count;
}
