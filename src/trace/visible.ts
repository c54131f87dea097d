/** @file A map for the eye: weights where a pair may attend, NaN where it may not. */
import { mayAttend } from "./pair.js";
import { checkedPart, type Part } from "./part.js";
import { type AttentionRecord, type QkCall, QkRecord } from "./record.js";

/**
 * Weights of one head, [rows, columns], with **NaN for a pair that may not attend**: a weight of 0 and an absent weight
 * are different things to a reader. A finished map without a rule gives its numbers as they are; so does a head whose map
 * was given by hand, where it spends weight on a pair that may not attend.
 */
export function visibleWeights(record: AttentionRecord, part: Part & { head: number }): Float32Array {
  const { batch = 0, head } = part;
  const { rows, columns } = checkedPart(record, { ...part, batch });
  const given = record instanceof QkRecord && record.given.has(head);
  if (record instanceof QkRecord && !given && unseen(record.call, batch, rows, columns)) {
    return new Float32Array((rows[1] - rows[0]) * (columns[1] - columns[0])).fill(Number.NaN);
  }
  const out = record.weights({ ...part, batch }).data.slice();
  if (!(record instanceof QkRecord)) return out;
  const { call } = record;
  const simple = !call.rule.keyMask && !call.rule.mask && !call.rule.documents && !call.rule.blocks;
  const width = columns[1] - columns[0];
  for (let i = rows[0]; i < rows[1]; i++) {
    const at = (i - rows[0]) * width;
    if (given) {
      for (let j = columns[0]; j < columns[1]; j++)
        if (out[at + j - columns[0]] === 0 && !mayAttend(call, batch, head, i, j))
          out[at + j - columns[0]] = Number.NaN;
      continue;
    }
    const r = call.rule.perBatch ? batch * call.queries + i : i;
    const first = Math.max(columns[0], call.rule.first[r]);
    const end = Math.max(first, Math.min(columns[1], call.rule.end[r]));
    out.fill(Number.NaN, at, at + Math.min(width, first - columns[0]));
    out.fill(Number.NaN, at + Math.min(width, end - columns[0]), at + width);
    if (simple) continue;
    for (let j = first; j < end; j++) if (!mayAttend(call, batch, head, i, j)) out[at + j - columns[0]] = Number.NaN;
  }
  return out;
}

/** Whether the intervals of all rows miss these columns: nothing need be computed. */
function unseen(
  { rule, queries }: QkCall,
  batch: number,
  rows: readonly [number, number],
  columns: readonly [number, number],
): boolean {
  for (let i = rows[0]; i < rows[1]; i++) {
    const r = rule.perBatch ? batch * queries + i : i;
    if (rule.first[r]! < columns[1] && rule.end[r]! > columns[0]) return false;
  }
  return true;
}
