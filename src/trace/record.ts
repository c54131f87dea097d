/**
 * @file What is kept of one attention, and the map rebuilt from it.
 *
 * A head is fully described by q, k, the rule of who may attend, and one log-sum-exp per row:
 *     P[i, j] = e^(s[i, j] − lse[i])     s = softcap(scale · q·k) + bias − slope·|p_i − j|
 * so a map of Lq × Lk numbers is never stored, only rebuilt for the part somebody looks at.
 *
 * B batch · H query heads · Hk key heads · Lq, Lk lengths · D head size
 */
import type { Site } from "../attention/listen.js";
import type { AttentionCall, Heads } from "../kernels/kernel.js";
import { defaultKernel } from "../kernels/index.js";
import { OptionError, type Tensor, tensor } from "../tensor/index.js";

/** A part of a map. Ranges end before their second number; what is not named is taken whole. */
export interface Part {
  batch?: number | undefined;
  head?: number | undefined;
  rows?: readonly [number, number] | undefined;
  columns?: readonly [number, number] | undefined;
}

/** One attention of a run. Who looks at it need not know whether q and k were kept or only the finished map. */
export interface AttentionRecord {
  readonly site: Site;
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly queries: number;
  readonly keys: number;
  /** [B, H, rows, columns]; with `batch` or `head` given that axis has length 1. Masked pairs are exactly 0. */
  weights(part?: Part): Tensor;
  /** [batch, query] of every row that may attend to nothing; its weights are all 0. */
  emptyRows(): [batch: number, query: number][];
}

/** The attention of a call without its values. */
export type QkCall = Omit<AttentionCall, "v" | "valueDim">;

/** q, k and the row sums of one attention: O(Lq + Lk) numbers, the map on demand. */
export class QkRecord implements AttentionRecord {
  readonly site: Site;
  readonly call: QkCall;
  /** ln Σ e^s, [B, H, Lq]; −∞ for an empty row. */
  readonly lse: Tensor;
  /** [B, Hk, Lk, Dv] when values were asked for. */
  readonly values: Tensor | undefined;
  /** Maps of heads that were given by hand in this run, [B, Lq, Lk]: shown instead of what q and k say. */
  readonly given: ReadonlyMap<number, Tensor>;

  constructor(site: Site, call: QkCall, lse: Tensor, values?: Tensor, given: ReadonlyMap<number, Tensor> = new Map()) {
    this.site = site;
    this.call = call;
    this.lse = lse;
    this.values = values;
    this.given = given;
  }

  get batch(): number {
    return this.call.batch;
  }
  get heads(): number {
    return this.call.heads;
  }
  get keyHeads(): number {
    return this.call.keyHeads;
  }
  get queries(): number {
    return this.call.queries;
  }
  get keys(): number {
    return this.call.keys;
  }

  weights(part: Part = {}): Tensor {
    const weights = this.#computed(part);
    return this.given.size === 0 ? weights : this.#withGiven(weights, part);
  }

  #withGiven(weights: Tensor, part: Part): Tensor {
    const { batches, heads, rows, columns } = checkedPart(this, part);
    const width = columns[1] - columns[0];
    let at = 0;
    for (let b = batches[0]; b < batches[1]; b++) {
      for (let h = heads[0]; h < heads[1]; h++) {
        const map = this.given.get(h);
        for (let i = rows[0]; i < rows[1]; i++, at += width) {
          const start = (b * this.queries + i) * this.keys;
          if (map) weights.data.set(map.data.subarray(start + columns[0], start + columns[1]), at);
        }
      }
    }
    return weights;
  }

  /** The part asked for as q and k say. */
  #computed(part: Part): Tensor {
    const { rows, columns } = checkedPart(this, part);
    const { call, lse } = narrowed(this.call, this.lse, part.batch, part.head);
    const weights = defaultKernel().attentionWeights(call, rows, columns, lse);
    if (!this.#roundedSums()) return weights;
    const { batches, heads } = checkedPart(this, part);
    const share = this.#shares(call, lse, batches, heads, rows);
    const width = columns[1] - columns[0];
    const { data } = weights;
    let at = 0;
    for (let b = batches[0]; b < batches[1]; b++) {
      for (let h = heads[0]; h < heads[1]; h++) {
        for (let i = rows[0]; i < rows[1]; i++) {
          const s = share[(b * this.heads + h) * this.queries + i]!;
          for (let n = 0; n < width; n++, at++) data[at]! /= s;
        }
      }
    }
    return weights;
  }

  /** What each row's weights sum to with the stored sum; NaN where not asked for yet. */
  #sums: Float64Array | undefined;
  #isRounded: boolean | undefined;

  /**
   * Whether row sums are so large that float32 rounds them by more than a weight near 1 may be off: at 8 by 2.4e-7.
   * Sinks take part of a row, whose weights then do not sum to 1 anyway.
   */
  #roundedSums(): boolean {
    this.#isRounded ??= !this.call.sinks && this.lse.data.some((l) => Number.isFinite(l) && Math.abs(l) > 8);
    return this.#isRounded;
  }

  /** Sums of the rows asked for, computed once a row, so that any part is that part of the whole. */
  #shares(
    call: QkCall,
    lse: Tensor,
    [firstBatch, endBatch]: readonly [number, number],
    [firstHead, endHead]: readonly [number, number],
    [firstRow, endRow]: readonly [number, number],
  ): Float64Array {
    const { heads, queries, keys } = this;
    this.#sums ??= new Float64Array(this.batch * heads * queries).fill(Number.NaN);
    const sums = this.#sums;
    const index = (b: number, h: number, i: number): number => (b * heads + h) * queries + i;
    const step = Math.max(1, Math.floor(2 ** 20 / keys)); // rows at a time: a million numbers, never a whole map
    for (let i = firstRow; i < endRow; i += step) {
      const end = Math.min(i + step, endRow);
      let known = true;
      for (let b = firstBatch; b < endBatch; b++) {
        for (let h = firstHead; h < endHead; h++)
          for (let r = i; r < end; r++) known &&= !Number.isNaN(sums[index(b, h, r)]);
      }
      if (known) continue;
      const { data } = defaultKernel().attentionWeights(call, [i, end], [0, keys], lse);
      let at = 0;
      for (let b = firstBatch; b < endBatch; b++) {
        for (let h = firstHead; h < endHead; h++) {
          for (let r = i; r < end; r++) {
            let sum = 0;
            for (let j = 0; j < keys; j++) sum += data[at++]!;
            sums[index(b, h, r)] = sum || 1; // an empty row stays zeros
          }
        }
      }
    }
    return sums;
  }

  /**
   * The numbers behind one weight: q and k [D], their product scaled, and what else entered the score.
   * `score` is what the softmax saw (−∞ where the pair may not attend), `weight` = e^(score − lse).
   */
  pair(batch: number, head: number, query: number, key: number): PairNumbers {
    const { call } = this;
    const q = row(call.q, batch, head, query, call.headDim);
    const k = row(call.k, batch, Math.floor((head * call.keyHeads) / call.heads), key, call.headDim);
    let dot = 0;
    for (let d = 0; d < q.length; d++) dot += q[d]! * k[d]!;
    const scaled = dot * call.scale;
    const capped = call.softcap ? call.softcap * Math.tanh(scaled / call.softcap) : scaled;
    const bias = biasAt(call, batch, head, query, key);
    const weight = this.weights({ batch, head, rows: [query, query + 1], columns: [key, key + 1] }).data[0]!;
    const masked = weight === 0 && !mayAttend(call, batch, head, query, key);
    const lse = this.lse.data[(batch * call.heads + head) * call.queries + query]!;
    return {
      q,
      k,
      dot,
      scale: call.scale,
      scaled,
      capped,
      bias,
      masked,
      score: masked ? -Infinity : capped + bias,
      lse,
      weight,
    };
  }

  emptyRows(): [number, number][] {
    const out: [number, number][] = [];
    for (let b = 0; b < this.batch; b++) {
      for (let i = 0; i < this.queries; i++) {
        let empty = true;
        for (let h = 0; empty && h < this.heads; h++) {
          empty = this.lse.data[(b * this.heads + h) * this.queries + i] === -Infinity;
        }
        if (empty) out.push([b, i]);
      }
    }
    return out;
  }
}

/** See `QkRecord.pair`. */
export interface PairNumbers {
  q: Float32Array;
  k: Float32Array;
  dot: number;
  scale: number;
  scaled: number;
  capped: number;
  /** Bias of the position or the caller, ALiBi included. */
  bias: number;
  masked: boolean;
  score: number;
  lse: number;
  weight: number;
}

/** A finished map [B, H, Lq, Lk], where an engine gives no q and k. */
export class MapRecord implements AttentionRecord {
  readonly site: Site;
  readonly map: Tensor;

  constructor(site: Site, map: Tensor) {
    this.site = site;
    this.map = map;
  }

  get batch(): number {
    return this.map.shape[0]!;
  }
  get heads(): number {
    return this.map.shape[1]!;
  }
  get keyHeads(): number {
    return this.heads;
  }
  get queries(): number {
    return this.map.shape[2]!;
  }
  get keys(): number {
    return this.map.shape[3]!;
  }

  weights(part: Part = {}): Tensor {
    const { batches, heads, rows, columns } = checkedPart(this, part);
    const shape = [batches, heads, rows, columns].map(([from, to]) => to - from);
    const out = new Float32Array(shape.reduce((n, d) => n * d, 1));
    const width = columns[1] - columns[0];
    let at = 0;
    for (let b = batches[0]; b < batches[1]; b++) {
      for (let h = heads[0]; h < heads[1]; h++) {
        for (let i = rows[0]; i < rows[1]; i++, at += width) {
          const start = ((b * this.heads + h) * this.queries + i) * this.keys;
          out.set(this.map.data.subarray(start + columns[0], start + columns[1]), at);
        }
      }
    }
    return tensor(out, shape);
  }

  emptyRows(): [number, number][] {
    const out: [number, number][] = [];
    const seesNothing = (b: number, i: number): boolean => {
      for (let h = 0; h < this.heads; h++) {
        const start = ((b * this.heads + h) * this.queries + i) * this.keys;
        for (let j = 0; j < this.keys; j++) if (this.map.data[start + j]! > 0) return false;
      }
      return true;
    };
    for (let b = 0; b < this.batch; b++) {
      for (let i = 0; i < this.queries; i++) if (seesNothing(b, i)) out.push([b, i]);
    }
    return out;
  }
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
function narrowed(call: QkCall, lse: Tensor, batch?: number, head?: number): { call: QkCall; lse: Tensor } {
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

function row(x: Heads, batch: number, head: number, index: number, length: number): Float32Array {
  const start = x.offset + batch * x.strides[0] + head * x.strides[1] + index * x.strides[2];
  return x.tensor.data.slice(start, start + length);
}

/** What is added to the score of a pair: the bias and ALiBi. */
export function biasAt(call: QkCall, b: number, h: number, i: number, j: number): number {
  const { bias, alibi } = call;
  const own = bias
    ? bias.tensor.data[
        bias.offset + b * bias.strides[0] + h * bias.strides[1] + i * bias.strides[2] + j * bias.strides[3]
      ]!
    : 0;
  return alibi ? own - alibi.slopes[h]! * Math.abs(alibi.queryOffset + i - j) : own;
}

/** Whether a pair may attend: `AttentionRule`, read for one pair. */
export function mayAttend({ rule, queries }: QkCall, b: number, h: number, i: number, j: number): boolean {
  const r = rule.perBatch ? b * queries + i : i;
  if (j < rule.first[r]! || j >= rule.end[r]!) return false;
  const { keyMask, mask, documents, blocks } = rule;
  if (keyMask && keyMask.data[b * keyMask.batchStride + j] === 0) return false;
  if (mask) {
    const [sb, sh, sq, sk] = mask.strides;
    if (mask.data[b * sb + h * sh + i * sq + j * sk] === 0) return false;
  }
  if (documents) {
    const { query, key, queryStride, keyStride } = documents;
    if (query[b * queryStride + i] !== key[b * keyStride + j]) return false;
  }
  if (blocks) {
    const [sb, sh, sq, sk] = blocks.strides;
    const at = b * sb + h * sh + Math.floor(i / blocks.size) * sq + Math.floor(j / blocks.size) * sk;
    if (blocks.data[at] === 0) return false;
  }
  return true;
}
