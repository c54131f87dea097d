/** @file Which part of a map somebody looks at, and the call that gives just that part. */
import type { Heads } from "../kernels/kernel.js";
import { OptionError, type Tensor, tensor } from "../tensor/index.js";
import type { AttentionRecord, QkCall } from "./record.js";

/** A part of a map. Ranges end before their second number; what is not named is taken whole. */
export interface Part {
  batch?: number | undefined;
  head?: number | undefined;
  rows?: readonly [number, number] | undefined;
  columns?: readonly [number, number] | undefined;
}

type Range = readonly [number, number];

/** The ranges a part names, held against the record's axes. */
export function checkedPart(
  record: Pick<AttentionRecord, "batch" | "heads" | "queries" | "keys">,
  { batch, head, rows, columns }: Part,
): { batches: Range; heads: Range; rows: Range; columns: Range } {
  const one = (name: string, index: number | undefined, length: number): Range => {
    if (index === undefined) return [0, length];
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new OptionError({ where: "weights", argument: name, got: `is ${index}`, expected: `0 to ${length - 1}` });
    }
    return [index, index + 1];
  };
  const range = (name: string, given: Range | undefined, length: number): Range => {
    if (given === undefined) return [0, length];
    const [from, to] = given;
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > length || to < from) {
      throw new OptionError({
        where: "weights",
        argument: name,
        got: `is [${from}, ${to}]`,
        expected: `[from, to] with 0 ≤ from ≤ to ≤ ${length}`,
      });
    }
    return given;
  };
  return {
    batches: one("batch", batch, record.batch),
    heads: one("head", head, record.heads),
    rows: range("rows", rows, record.queries),
    columns: range("columns", columns, record.keys),
  };
}

/** The call for one batch item and one head, if asked, read where it lies: nothing is copied. */
export function narrowed(call: QkCall, lse: Tensor, batch?: number, head?: number): { call: QkCall; lse: Tensor } {
  if (batch === undefined && head === undefined) return { call, lse };
  const b = batch ?? 0;
  const h = head ?? 0;
  const batches = batch === undefined ? call.batch : 1;
  const heads = head === undefined ? call.heads : 1;
  const keyHead = Math.floor((h * call.keyHeads) / call.heads);
  const move = (x: Heads, at: number): Heads => ({ ...x, offset: x.offset + b * x.strides[0] + at * x.strides[1] });
  const { rule, bias, alibi, sinks } = call;
  const rowStart = rule.perBatch ? b * call.queries : 0;
  const rowEnd = rule.perBatch ? (b + batches) * call.queries : call.queries;
  const small: QkCall = {
    ...call,
    batch: batches,
    heads,
    keyHeads: head === undefined ? call.keyHeads : 1,
    q: move(call.q, h),
    k: move(call.k, keyHead),
    rule: {
      ...rule,
      first: rule.first.subarray(rowStart, rowEnd),
      end: rule.end.subarray(rowStart, rowEnd),
      ...(rule.keyMask && {
        keyMask: { ...rule.keyMask, data: rule.keyMask.data.subarray(b * rule.keyMask.batchStride) },
      }),
      ...(rule.mask && {
        mask: { ...rule.mask, data: rule.mask.data.subarray(b * rule.mask.strides[0] + h * rule.mask.strides[1]) },
      }),
      ...(rule.documents && {
        documents: {
          ...rule.documents,
          query: rule.documents.query.subarray(b * rule.documents.queryStride),
          key: rule.documents.key.subarray(b * rule.documents.keyStride),
        },
      }),
      ...(rule.blocks && {
        blocks: {
          ...rule.blocks,
          data: rule.blocks.data.subarray(b * rule.blocks.strides[0] + h * rule.blocks.strides[1]),
        },
      }),
    },
    ...(bias && { bias: { ...bias, offset: bias.offset + b * bias.strides[0] + h * bias.strides[1] } }),
    ...(alibi && { alibi: { ...alibi, slopes: alibi.slopes.subarray(h, h + heads) } }),
    ...(sinks && { sinks: tensor(sinks.data.slice(h, h + heads), [heads]) }),
  };
  const parts: Float32Array[] = [];
  for (let bi = b; bi < b + batches; bi++) {
    const start = (bi * call.heads + h) * call.queries;
    parts.push(lse.data.subarray(start, start + heads * call.queries));
  }
  const data = parts.length === 1 ? parts[0]!.slice() : Float32Array.from(parts.flatMap((p) => [...p]));
  return { call: small, lse: tensor(data, [batches, heads, call.queries]) };
}
