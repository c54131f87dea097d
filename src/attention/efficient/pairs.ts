/** @file How many query–key pairs a rule lets through, without visiting them where intervals and blocks suffice. */
import type { AttentionCall, AttentionRule } from "../../kernels/kernel.js";

type Counted = Pick<AttentionCall, "batch" | "heads" | "queries" | "keys" | "rule">;

/**
 * Pairs that may attend, over all batch items and heads. Intervals alone: O(Lq). With a key mask: O(Lq + Lk). With
 * blocks: O(Lq·blocks). Only a caller's own mask or packed documents are visited pair by pair.
 */
export function countPairs(call: Counted): number {
  const { batch, heads, queries, keys, rule } = call;
  let pairs = 0;
  for (let b = 0; b < batch; b++) {
    const present = presentBefore(rule, b, keys);
    for (let h = 0; h < (rule.mask || rule.blocks ? heads : 1); h++) {
      let seen = 0;
      for (let i = 0; i < queries; i++) seen += row(call, present, b, h, i);
      pairs += rule.mask || rule.blocks ? seen : seen * heads;
    }
  }
  return pairs;
}

/** present[j] = how many keys before j are there; undefined when all are. */
function presentBefore(rule: AttentionRule, b: number, keys: number): Int32Array | undefined {
  if (!rule.keyMask) return undefined;
  const { data, batchStride } = rule.keyMask;
  const before = new Int32Array(keys + 1);
  for (let j = 0; j < keys; j++) before[j + 1] = before[j]! + (data[b * batchStride + j] ? 1 : 0);
  return before;
}

function row(call: Counted, present: Int32Array | undefined, b: number, h: number, i: number): number {
  const { rule, queries } = call;
  const r = rule.perBatch ? b * queries + i : i;
  const [first, end] = [rule.first[r]!, rule.end[r]!];
  if (end <= first) return 0;
  if (rule.mask || rule.documents) return visit(rule, present, b, h, i, first, end);
  if (!rule.blocks) return present ? present[end]! - present[first]! : end - first;
  const { data, size, strides } = rule.blocks;
  const at = b * strides[0] + h * strides[1] + Math.floor(i / size) * strides[2];
  let seen = 0;
  for (let block = Math.floor(first / size); block * size < end; block++) {
    if (!data[at + block * strides[3]]) continue;
    const [from, to] = [Math.max(first, block * size), Math.min(end, (block + 1) * size)];
    seen += present ? present[to]! - present[from]! : to - from;
  }
  return seen;
}

function visit(
  rule: AttentionRule,
  present: Int32Array | undefined,
  b: number,
  h: number,
  i: number,
  first: number,
  end: number,
) {
  const { mask, documents, blocks } = rule;
  let seen = 0;
  for (let j = first; j < end; j++) {
    if (present && present[j + 1] === present[j]) continue;
    if (mask) {
      const [sb, sh, si, sj] = mask.strides;
      if (!mask.data[b * sb + h * sh + i * si + j * sj]) continue;
    }
    if (documents && documents.query[b * documents.queryStride + i] !== documents.key[b * documents.keyStride + j])
      continue;
    if (blocks) {
      const [sb, sh, si, sj] = blocks.strides;
      if (!blocks.data[b * sb + h * sh + Math.floor(i / blocks.size) * si + Math.floor(j / blocks.size) * sj]) continue;
    }
    seen++;
  }
  return seen;
}
