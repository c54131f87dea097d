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
import type { Tensor } from "../tensor/index.js";
import { biasAt, mayAttend, type PairNumbers } from "./pair.js";
import { checkedPart, narrowed, type Part } from "./part.js";

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
   * `score` is what the softmax saw (−∞ where the pair may not attend), `weight` = e^(score − lse), or what was given by hand.
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
    const given = this.given.has(head);
    const masked = (weight === 0 || given) && !mayAttend(call, batch, head, query, key);
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
      given,
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

function row(x: Heads, batch: number, head: number, index: number, length: number): Float32Array {
  const start = x.offset + batch * x.strides[0] + head * x.strides[1] + index * x.strides[2];
  return x.tensor.data.slice(start, start + length);
}
