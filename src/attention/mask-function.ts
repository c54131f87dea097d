/**
 * @file A rule given as a function: its bytes are made for a panel of query rows at a time, and the fast kernel works
 * on the panel. Memory is that of one panel, whatever Lq and Lk are.
 */
import { ops } from "../kernels/current.js";
import type { AttentionCall, AttentionResult, AttentionRule } from "../kernels/kernel.js";
import type { MaskFunction } from "./options.js";

/** Bytes of mask a panel may have: fits the second-level cache beside keys and values. */
const PANEL_BYTES = 1 << 18;

/** Computes a call under one more rule. `call.outputLayout` is "heads". Cost: one function call a pair. */
export function attentionWithMaskFunction(call: AttentionCall, maskMod: MaskFunction): AttentionResult {
  const { batch, heads, queries, keys, rule } = call;
  const fit = Math.max(1, Math.floor(PANEL_BYTES / Math.max(1, batch * heads * keys)));
  const size = rule.blocks?.size ?? 1;
  const rows = Math.ceil(fit / size) * size; // a panel starts where a block starts
  if (queries === 0) return ops().attention(call);
  const parts: AttentionResult[] = [];
  for (let from = 0; from < queries; from += rows) {
    parts.push(ops().attention(panel(call, maskMod, from, Math.min(queries, from + rows))));
  }
  if (parts.length === 1) return parts[0];
  return {
    output: ops().concat(
      parts.map((p) => p.output),
      2,
    ), // [B, H, Lq, Dv]
    lse: ops().concat(
      parts.map((p) => p.lse),
      2,
    ), // [B, H, Lq]
  };
}

/** The part of a call that queries from ≤ i < to are, its rules and the function's met in bytes. */
function panel(call: AttentionCall, maskMod: MaskFunction, from: number, to: number): AttentionCall {
  const { q, bias, alibi } = call;
  return {
    ...call,
    queries: to - from,
    q: { ...q, offset: q.offset + from * q.strides[2] },
    rule: panelRule(call, maskMod, from, to),
    ...(bias && { bias: { ...bias, offset: bias.offset + from * bias.strides[2] } }),
    ...(alibi && { alibi: { ...alibi, queryOffset: alibi.queryOffset + from } }),
  };
}

function panelRule(call: AttentionCall, maskMod: MaskFunction, from: number, to: number): AttentionRule {
  const { batch, heads, queries, keys, rule } = call;
  const rows = to - from;
  const items = rule.perBatch ? batch : 1;
  const part = (list: Int32Array): Int32Array => {
    const out = new Int32Array(items * rows);
    for (let b = 0; b < items; b++) out.set(list.subarray(b * queries + from, b * queries + to), b * rows);
    return out;
  };
  const [first, end] = [part(rule.first), part(rule.end)];
  const data = new Uint8Array(batch * heads * rows * keys);
  const own = rule.mask;
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < rows; i++, at += keys) {
        const r = rule.perBatch ? b * rows + i : i;
        for (let j = first[r]; j < end[r]; j++) {
          if (own) {
            const [s0, s1, s2, s3] = own.strides;
            if (own.data[b * s0 + h * s1 + (from + i) * s2 + j * s3] === 0) continue;
          }
          if (maskMod(b, h, from + i, j)) data[at + j] = 1;
        }
      }
    }
  }
  const { documents, blocks } = rule;
  return {
    ...rule,
    first,
    end,
    mask: { data, strides: [heads * rows * keys, rows * keys, keys, 1] },
    ...(documents && { documents: { ...documents, query: documents.query.subarray(from) } }),
    ...(blocks && {
      blocks: { ...blocks, data: blocks.data.subarray((from / blocks.size) * blocks.strides[2]) },
    }),
  };
}
