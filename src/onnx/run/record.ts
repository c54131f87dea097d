/** @file From what a run gave to the records of a trace. */
import type { AttentionRule } from "../../kernels/kernel.js";
import { type AttentionRecord, headsOf, MapRecord, type QkCall, QkRecord } from "../../trace/index.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import type { Site as TraceSite } from "../../attention/listen.js";

/**
 * A score at or below this means that the pair may not attend. Masks are −∞, the least float32 or float16 (−65504), or,
 * in files of BERT's time, −10000; no score of a trained model comes near.
 */
export const masked = -9000;

/** A result of a run: float32 numbers and a shape. */
export interface Result {
  data: Float32Array;
  dims: readonly number[];
}

/** Shape [B, H, Tq, Tk] of a map: [B·H, Tq, Tk] is cut by the number of heads or of texts. */
function fourAxes(dims: readonly number[], heads: number | undefined, batch: number): [number, number, number, number] {
  if (dims.length === 4) return [...dims] as [number, number, number, number];
  const [queries, keys] = dims.slice(-2) as [number, number];
  const lead = dims.slice(0, -2).reduce((n, d) => n * d, 1);
  const H = heads ?? (lead % batch === 0 ? lead / batch : 1);
  return [lead / H, H, queries, keys];
}

/**
 * A record of a finished map. Rows that see no key are zeros, whatever the export made of them: NaN, 1/Tk or 0.
 * @param max the largest score of each row, where the graph could say
 */
export function mapRecord(
  site: TraceSite,
  map: Result,
  max: Result | undefined,
  heads: number | undefined,
  batch: number,
): MapRecord {
  const shape = fourAxes(map.dims, heads, batch);
  const [B, H, Tq, Tk] = shape;
  const empty = max && rowsMasked(max, B, H, Tq);
  const data = map.data;
  for (let row = 0; row < B * H * Tq; row++) {
    const from = row * Tk;
    let broken = empty?.[row] === 1;
    for (let j = from; !broken && j < from + Tk; j++) broken = Number.isNaN(data[j]!);
    if (broken) data.fill(0, from, from + Tk);
  }
  return new MapRecord(site, tensor(data, shape));
}

/** Which rows of [B, H, Tq] have no score above a mask's; `max` broadcasts. */
function rowsMasked(max: Result, B: number, H: number, Tq: number): Uint8Array | undefined {
  const out = new Uint8Array(B * H * Tq);
  if (max.data.length === out.length) {
    for (let i = 0; i < out.length; i++) out[i] = max.data[i]! <= masked || Number.isNaN(max.data[i]!) ? 1 : 0;
    return out;
  }
  const [b = 1, h = 1, q = 1] = [...new Array<number>(Math.max(0, 3 - max.dims.length)).fill(1), ...max.dims];
  if ((b !== 1 && b !== B) || (h !== 1 && h !== H) || (q !== 1 && q !== Tq)) return undefined;
  for (let i = 0; i < out.length; i++) {
    const [bi, hi, qi] = [Math.floor(i / (H * Tq)), Math.floor(i / Tq) % H, i % Tq];
    const value = max.data[((b === 1 ? 0 : bi) * h + (h === 1 ? 0 : hi)) * q + (q === 1 ? 0 : qi)]!;
    out[i] = value <= masked ? 1 : 0;
  }
  return out;
}

export interface QkResults {
  q: Result;
  k: Result;
  /** [B, Hk, Tk, Dv] when asked for. */
  v: Result | undefined;
  kTransposed: boolean;
  lse: Result;
  biases: Result[];
  scale: number;
  softcap: number | undefined;
}

/** A record of q, k and the row sums. @returns undefined where they do not give the graph's own row sums again */
export function qkRecord(site: TraceSite, r: QkResults): QkRecord | undefined {
  const [batch, heads, queries, headDim] = r.q.dims as [number, number, number, number];
  const [kBatch, keyHeads] = r.k.dims as [number, number];
  const keys = r.k.dims[r.kTransposed ? 3 : 2]!;
  if (r.q.dims.length !== 4 || r.k.dims.length !== 4 || kBatch !== batch || heads % keyHeads !== 0) return undefined;
  const bias = combined(r.biases, batch, queries, keys);
  if (bias === undefined) return undefined;
  const k = tensor(r.kTransposed ? turned(r.k) : r.k.data, [batch, keyHeads, keys, headDim]);
  const { rule, rest, empty } = ruleOf(bias, batch, queries, keys);
  const lse = r.lse.data.map((x, i) =>
    empty[Math.floor(i / (heads * queries)) * queries + (i % queries)] ? -Infinity : x,
  );
  const call: QkCall = {
    batch,
    heads,
    keyHeads,
    queries,
    keys,
    headDim,
    scale: r.scale,
    rule,
    q: headsOf(tensor(r.q.data, r.q.dims)),
    k: headsOf(k),
    ...(r.softcap && { softcap: r.softcap }),
    ...(rest && { bias: { tensor: rest, offset: 0, strides: [queries * keys, 0, keys, 1] as const } }),
  };
  const fits = r.v?.dims.length === 4 && r.v.dims.slice(0, 3).join() === [batch, keyHeads, keys].join();
  const values = fits ? tensor(r.v!.data, r.v!.dims) : undefined;
  const record = new QkRecord(site, call, tensor(lse, [batch, heads, queries]), values);
  return proves(record) ? record : undefined;
}

/** [B, H, D, Tk] → [B, H, Tk, D] */
function turned({ data, dims }: Result): Float32Array {
  const [D, T] = dims.slice(-2) as [number, number];
  const out = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += D * T) {
    for (let d = 0; d < D; d++) for (let t = 0; t < T; t++) out[start + t * D + d] = data[start + d * T + t]!;
  }
  return out;
}

/** The sum of the biases as [B, Tq, Tk]; null when there are none, undefined when one differs by head. */
function combined(biases: readonly Result[], B: number, Tq: number, Tk: number): Float32Array | null | undefined {
  if (biases.length === 0) return null;
  const sum = new Float32Array(B * Tq * Tk);
  for (const { data, dims } of biases) {
    const [b = 1, h = 1, q = 1, k = 1] = [...new Array<number>(Math.max(0, 4 - dims.length)).fill(1), ...dims];
    const fits = (d: number, whole: number): boolean => d === 1 || d === whole;
    if (h !== 1 || !fits(b, B) || !fits(q, Tq) || !fits(k, Tk)) return undefined;
    let at = 0;
    for (let i = 0; i < B; i++) {
      for (let row = 0; row < Tq; row++) {
        const from = ((b === 1 ? 0 : i) * q + (q === 1 ? 0 : row)) * k;
        for (let j = 0; j < Tk; j++) sum[at++]! += data[from + (k === 1 ? 0 : j)]!;
      }
    }
  }
  return sum;
}

/**
 * A bias read as a rule: its very low entries are pairs that may not attend. What they leave of each row is nearly always
 * one stretch of keys, and then two numbers a row hold it; the rest of the bias is nearly always zero.
 */
function ruleOf(
  bias: Float32Array | null,
  B: number,
  Tq: number,
  Tk: number,
): { rule: AttentionRule; rest: Tensor | undefined; empty: Uint8Array } {
  const first = new Int32Array(B * Tq);
  const end = new Int32Array(B * Tq).fill(Tk);
  const empty = new Uint8Array(B * Tq);
  if (!bias) return { rule: { first, end, perBatch: true }, rest: undefined, empty };
  let stretches = true;
  let rest = false;
  for (let r = 0; r < B * Tq; r++) {
    const row = bias.subarray(r * Tk, (r + 1) * Tk);
    const sees = (x: number): boolean => x > masked;
    const from = row.findIndex(sees);
    first[r] = Math.max(from, 0);
    end[r] = from < 0 ? 0 : row.findLastIndex(sees) + 1;
    empty[r] = from < 0 ? 1 : 0;
    for (let j = first[r]!; j < end[r]!; j++) {
      if (!sees(row[j]!)) stretches = false;
      else if (row[j] !== 0) rest = true;
    }
  }
  const mask = stretches ? undefined : Uint8Array.from(bias, (x) => (x > masked ? 1 : 0));
  return {
    rule: { first, end, perBatch: true, ...(mask && { mask: { data: mask, strides: [Tq * Tk, 0, Tk, 1] as const } }) },
    rest: rest
      ? tensor(
          bias.map((x) => (x > masked ? x : 0)),
          [B, Tq, Tk],
        )
      : undefined,
    empty,
  };
}

/** How far the weights of a row may be from a sum of 1: float32 scores of size 50 are off by some 1e-5. */
const tolerance = 1e-3;

/**
 * The graph's own row sums prove the reading: with them the weights rebuilt from q and k add up to 1. A score read wrongly
 * (a mask not seen, another scale) would not. A few rows of every text and the first and last head are tried.
 */
function proves(record: AttentionRecord): boolean {
  const { batch, heads, queries } = record;
  const tries = [...new Set([0, queries >> 1, queries - 1])].filter((i) => i >= 0);
  for (let b = 0; b < batch; b++) {
    for (const head of new Set([0, heads - 1])) {
      for (const i of tries) {
        const row = record.weights({ batch: b, head, rows: [i, i + 1] }).data;
        const sum = row.reduce((n, x) => n + x, 0);
        if (!(Math.abs(sum - 1) <= tolerance) && sum !== 0) return false;
      }
    }
  }
  return true;
}
