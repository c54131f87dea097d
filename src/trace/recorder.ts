/**
 * @file The recorder: a listener on attention that keeps q, k and the row sums.
 *
 * Steps of a cached generation add rows to the same record: a new token's query, key and log-sum-exp are appended, so
 * that the trace of a generation equals the trace of the whole text read at once.
 */
import type { AttentionListener, HeardResult, Site } from "../attention/listen.js";
import type { AttentionCall, AttentionRule, Heads, Spread } from "../kernels/kernel.js";
import { sizeOf, type Tensor, tensor } from "../tensor/index.js";
import { type QkCall, QkRecord } from "./record.js";

export interface RecorderOptions {
  /** Keep v as well, for value-weighted views. Default false: it is a third more. */
  values?: boolean | undefined;
}

/** The numbers of an operand, gathered into [B, H, L, D] of ordinary memory. */
export function copyHeads(x: Heads, batch: number, heads: number, length: number, dim: number): Tensor {
  const out = new Float32Array(sizeOf([batch, heads, length, dim]));
  const { data } = x.tensor;
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < length; i++, at += dim) {
        const start = x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2];
        out.set(data.subarray(start, start + dim), at);
      }
    }
  }
  return tensor(out, [batch, heads, length, dim]);
}

/** [B, H, L, D] in ordinary memory as an operand. */
export function headsOf(x: Tensor): Heads {
  const [, H, L, D] = x.shape as [number, number, number, number];
  return { tensor: x, offset: 0, strides: [H * L * D, L * D, D] };
}

export class Recorder implements AttentionListener {
  readonly #records = new Map<string, QkRecord>();
  readonly #values: boolean;

  constructor({ values = false }: RecorderOptions = {}) {
    this.#values = values;
  }

  after(site: Site, call: AttentionCall, result: HeardResult): HeardResult {
    const name = `${site.kind}.${site.layer}`;
    const fresh = kept(site, call, result, this.#values);
    const before = this.#records.get(name);
    const grows = before && call.keys > before.keys && call.keys === before.keys + call.queries;
    const crosses = before && site.kind === "cross" && call.keys === before.keys;
    this.#records.set(name, grows || crosses ? extended(before, fresh) : fresh);
    return result;
  }

  /** The records so far, in the order the attentions first ran. */
  get records(): QkRecord[] {
    return [...this.#records.values()];
  }
}

function kept(site: Site, call: AttentionCall, result: HeardResult, values: boolean): QkRecord {
  const { batch, heads, keyHeads, queries, keys, headDim, valueDim, v, bias, sinks, ...rest } = call;
  const q = copyHeads(call.q, batch, heads, queries, headDim);
  const k = copyHeads(call.k, batch, keyHeads, keys, headDim);
  const own = (x: Tensor): Tensor => tensor(x.data.slice(), x.shape);
  const small: QkCall = {
    batch,
    heads,
    keyHeads,
    queries,
    keys,
    headDim, // biome-ignore format: sizes
    scale: rest.scale,
    rule: rest.rule,
    q: headsOf(q),
    k: headsOf(k),
    ...(rest.softcap !== undefined && { softcap: rest.softcap }),
    ...(rest.alibi && { alibi: rest.alibi }),
    ...(bias && { bias: { ...bias, tensor: own(bias.tensor) } }),
    ...(sinks && { sinks: own(sinks) }),
  };
  const kept = values ? copyHeads(v, batch, keyHeads, keys, valueDim) : undefined;
  return new QkRecord(site, small, own(result.lse), kept, result.maps);
}

/** A record with the rows of a later step appended. The later step's keys are all keys so far. */
function extended(before: QkRecord, step: QkRecord): QkRecord {
  const { call } = step;
  const queries = before.queries + step.queries;
  const join = (a: Tensor, b: Tensor, width: number): Tensor => {
    const rows = call.batch * call.heads;
    const [n, m] = [a.size / rows, b.size / rows];
    const out = new Float32Array(a.size + b.size);
    for (let r = 0; r < rows; r++) {
      out.set(a.data.subarray(r * n, (r + 1) * n), r * (n + m));
      out.set(b.data.subarray(r * m, (r + 1) * m), r * (n + m) + n);
    }
    return tensor(out, width === 1 ? [call.batch, call.heads, queries] : [call.batch, call.heads, queries, width]);
  };
  return new QkRecord(
    step.site,
    {
      ...call,
      queries,
      q: headsOf(join(before.call.q.tensor, call.q.tensor, call.headDim)),
      rule: joinedRule(before, step),
      ...(call.bias && { bias: widenedBias(call, queries) }),
    },
    join(before.lse, step.lse, 1),
    step.values,
    joinedMaps(before, step),
  );
}

/** Rows of maps given by hand, step after step; an earlier row has 0 where later keys stand. */
function joinedMaps(before: QkRecord, step: QkRecord): Map<number, Tensor> {
  const queries = before.queries + step.queries;
  return new Map(
    Array.from(step.given, ([head, map]) => {
      const out = new Float32Array(step.batch * queries * step.keys);
      const earlier = before.given.get(head) ?? before.weights({ head });
      for (let b = 0; b < step.batch; b++) {
        for (let i = 0; i < queries; i++) {
          const [from, row] =
            i < before.queries ? [earlier, b * before.queries + i] : [map, b * step.queries + i - before.queries];
          const keys = from === map ? step.keys : before.keys;
          out.set(from.data.subarray(row * keys, (row + 1) * keys), (b * queries + i) * step.keys);
        }
      }
      return [head, tensor(out, [step.batch, queries, step.keys])];
    }),
  );
}

function joinedRule(before: QkRecord, step: QkRecord): AttentionRule {
  const [a, b] = [before.call.rule, step.call.rule];
  const perBatch = a.perBatch || b.perBatch;
  const batches = perBatch ? step.batch : 1;
  const [n, m] = [before.queries, step.queries];
  const join = (x: Int32Array, xPer: boolean, y: Int32Array, yPer: boolean): Int32Array => {
    const out = new Int32Array(batches * (n + m));
    for (let i = 0; i < batches; i++) {
      out.set(x.subarray(xPer ? i * n : 0, (xPer ? i * n : 0) + n), i * (n + m));
      out.set(y.subarray(yPer ? i * m : 0, (yPer ? i * m : 0) + m), i * (n + m) + n);
    }
    return out;
  };
  return {
    perBatch,
    first: join(a.first, a.perBatch, b.first, b.perBatch),
    end: join(a.end, a.perBatch, b.end, b.perBatch),
    ...(b.keyMask && { keyMask: b.keyMask }),
    ...((a.mask || b.mask) && { mask: joinedMask(before, step) }),
  };
}

/** Masks row after row: an earlier row has 1 where later keys stand, which its interval leaves out. */
function joinedMask(before: QkRecord, step: QkRecord): Spread<Uint8Array> {
  const { batch, heads, keys } = step.call;
  const queries = before.queries + step.queries;
  const data = new Uint8Array(batch * heads * queries * keys).fill(1);
  const put = ({ call }: QkRecord, first: number): void => {
    const { mask } = call.rule;
    if (!mask) return;
    const s = mask.strides;
    for (let b = 0; b < batch; b++) {
      for (let h = 0; h < heads; h++) {
        for (let i = 0; i < call.queries; i++) {
          const to = ((b * heads + h) * queries + first + i) * keys;
          for (let j = 0; j < call.keys; j++) data[to + j] = mask.data[b * s[0] + h * s[1] + i * s[2] + j * s[3]]!;
        }
      }
    }
  };
  put(before, 0);
  put(step, before.queries);
  return { data, strides: [heads * queries * keys, queries * keys, keys, 1] };
}

/**
 * A bias by distance, read for all rows so far. The last row's numbers hold every distance that an earlier row sees,
 * since earlier tokens see fewer keys; distances to later keys, which no row may attend to, are zeros.
 */
function widenedBias(call: QkCall, queries: number): NonNullable<QkCall["bias"]> {
  const { tensor: table, offset, strides } = call.bias!;
  const [sb, sh] = strides;
  const width = queries + call.keys - 1;
  const batches = sb === 0 ? 1 : call.batch;
  const heads = sh === 0 ? 1 : call.heads;
  const out = new Float32Array(batches * heads * width);
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      const lastRow = offset + b * sb + h * sh + (call.queries - 1) * strides[2];
      for (let j = 0; j < call.keys; j++) out[(b * heads + h) * width + j] = table.data[lastRow + j * strides[3]]!;
    }
  }
  const step = (stride: number, size: number): number => (stride === 0 ? 0 : size);
  return {
    tensor: tensor(out, [batches, heads, width]),
    offset: queries - 1,
    strides: [step(sb, heads * width), step(sh, width), -1, 1],
  };
}
