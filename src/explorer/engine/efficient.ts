/** @file The efficient lab: a mechanism over one head of the run, beside exact attention on the same q, k and v. */
import {
  bigBird, fixed, linearAttention, linformer, longformer, type Mechanism, performer, reformer, slidingWindow, streaming,
  strided, topKBlocks,
} from "../../attention/efficient/index.js"; // biome-ignore format: a list
import { attention, attentionWeights, onWarning } from "../../attention/index.js";
import { OptionError, tensor, UnavailableError } from "../../tensor/index.js";
import { QkRecord, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";

export interface EfficientAsked {
  run: number;
  kind: Kind;
  layer: number;
  head: number;
  mechanism: string;
  /** What the mechanism's own slider says: a reach, a block, a number of features. */
  size: number;
}

export interface EfficientShown {
  /** Effective weights, [Lq, Lk]; NaN where the mechanism sees nothing. Of the approximations some may be negative. */
  map: Float32Array;
  exact: Float32Array;
  /** Share of exact attention's weight on keys the mechanism sees, per query. */
  kept: Float32Array;
  /** ‖output − exact‖ / ‖exact‖ per query. */
  error: Float32Array;
  /** Over all queries at once. */
  totalError: number;
  totalKept: number;
  milliseconds: number;
  /** The library's exact attention on the same q, k and v. */
  exactMilliseconds: number;
  /** What the reader should know: "has length 21, no multiple of blockSize 4; it is padded". */
  notes: string[];
  /** Later tokens may not be seen. */
  causal: boolean;
  /** What it is compared with. */
  against: string;
  /** Where that is not this model's own attention: the same against it. */
  model?: Pick<EfficientShown, "kept" | "error" | "totalKept" | "totalError">;
  /** Query–key pairs and multiply-adds, counted by the code that runs, for lengths to 10,000; exact beside it. */
  cost: { length: number; exact: number; own: number; mapBytes: number; exactBytes: number; ownBytes: number }[];
}

type Any = Mechanism<any>; // biome-ignore lint/suspicious/noExplicitAny: each mechanism has options of its own

/** Every second token of the window is seen. */
const dilation = 2;
const unit = (length: number) => {
  const data = new Float32Array(length * length);
  for (let i = 0; i < length; i++) data[i * length + i] = 1;
  return tensor(data, [length, length]);
};

/** The mechanisms the page offers, by name. */
export const mechanisms: Record<
  string,
  {
    run: Any;
    options(size: number, length: number): object;
    restricts: boolean;
    causalOnly?: boolean;
    /** Options under which it is exact, where its exact counterpart is not this model's attention. */
    full?(length: number): object;
    /** Takes one tensor as queries and keys. */
    shared?: boolean;
    /** Cannot hide the future: compared with attention that sees all. */
    sideways?: boolean;
    /** Asks nothing of where a token stands, so that one text may look at another. */
    across?: boolean;
  }
> = {
  slidingWindow: { run: slidingWindow as Any, options: (w) => ({ window: w }), restricts: true },
  strided: { run: strided as Any, options: (s) => ({ stride: s }), restricts: true },
  fixed: { run: fixed as Any, options: (s) => ({ blockSize: s }), restricts: true },
  longformer: { run: longformer as Any, options: (w) => ({ window: w, globalTokens: [0] }), restricts: true },
  bigBird: { run: bigBird as Any, options: (b) => ({ blockSize: b, randomBlocks: 1, seed: 1 }), restricts: true },
  topKBlocks: { run: topKBlocks as Any, options: (b) => ({ blockSize: b, topK: 2 }), restricts: true },
  streaming: { run: streaming as Any, options: (w) => ({ window: w, sinks: 1 }), restricts: true, causalOnly: true },
  dilated: {
    run: longformer as Any,
    options: (w) => ({ window: { left: w * dilation, right: w * dilation }, dilation, globalTokens: [] }),
    restricts: true,
  },
  reformer: {
    run: reformer as Any,
    options: (c, length) => ({
      rounds: 2,
      chunkLength: c,
      buckets: Math.max(2, 2 * Math.ceil(length / c / 2)),
      seed: 1,
    }),
    restricts: true,
    full: (length) => ({ chunkLength: length }), // its own exact attention: queries are their keys
    shared: true,
  },
  linformer: {
    run: linformer as Any,
    options: (rank) => ({ rank, seed: 1 }),
    restricts: false,
    full: (length) => ({ projectK: unit(length) }), // the identity mixes nothing
    sideways: true,
    across: true,
  },
  performer: { run: performer as Any, options: (m) => ({ features: m, seed: 1 }), restricts: false, across: true },
  linearAttention: { run: linearAttention as unknown as Any, options: () => ({}), restricts: false, across: true },
};

/** What a mechanism warns of (a length it pads) belongs into the page, not into the console. */
export const efficient: LabCall = async (asked, options, context) => {
  const notes: string[] = [];
  const before = onWarning(({ got }) => { if (!notes.includes(got)) notes.push(got); }); // biome-ignore format: one line
  try {
    return { ...(await laidOver(asked, options, context)), notes } satisfies EfficientShown;
  } finally {
    onWarning(before);
  }
};

const laidOver = async (...[asked, , context]: Parameters<LabCall>): Promise<Omit<EfficientShown, "notes">> => {
  const { run, kind, layer, head, mechanism: name, size } = asked as EfficientAsked;
  const record = context.run(run).result.trace.record(layer, kind);
  const m = mechanisms[name];
  if (!m)
    throw new OptionError({
      where: "efficient lab",
      argument: "mechanism",
      got: `is "${name}"`,
      expected: Object.keys(mechanisms).join(", "),
    });
  if (!(record instanceof QkRecord) || !record.values) {
    throw new UnavailableError({
      where: "efficient lab",
      argument: "the trace",
      got: "has no q, k and v",
      fix: "open a model, or record with values",
    });
  }
  const cross = kind === "cross" || record.queries !== record.keys;
  if (Math.max(record.queries, record.keys) > 1024) {
    throw new OptionError({
      where: "efficient lab",
      argument: "the text",
      got: `has ${record.queries} × ${record.keys} tokens`,
      expected: "at most 1,024",
    });
  }
  if (cross && !m.across) {
    throw new UnavailableError({
      where: "efficient lab",
      argument: name,
      got: "chooses keys by where they stand beside the query, and in cross-attention the two stand in different texts",
      expected: "a mechanism without places: linformer, performer, linearAttention",
      fix: "choose one of these, or another attention of the model",
    });
  }
  const { call } = record;
  const { queries: L, keys: Lk } = call;
  const causal = !cross && call.rule.end[0]! < L && !m.sideways;
  if (m.causalOnly && !causal)
    throw new OptionError({
      where: "efficient lab",
      argument: name,
      got: "reads forwards only",
      expected: "a causal model",
      fix: "choose another mechanism",
    });
  const part = (x: typeof call.q, h: number, D: number, rows: number) => {
    const out = new Float32Array(rows * D);
    for (let i = 0; i < rows; i++) {
      const start = x.offset + h * x.strides[1] + i * x.strides[2];
      out.set(x.tensor.data.subarray(start, start + D), i * D);
    }
    return tensor(out, [1, 1, rows, D]);
  };
  const keyHead = Math.floor((head * call.keyHeads) / call.heads);
  const q = part(call.q, head, call.headDim, L);
  const k = m.shared ? q : part(call.k, keyHead, call.headDim, Lk);
  const Dv = record.values.shape[3]!;
  const v = tensor(record.values.data.slice(keyHead * Lk * Dv, (keyHead + 1) * Lk * Dv), [1, 1, Lk, Dv]);
  const identity = tensor(unit(Lk).data, [1, 1, Lk, Lk]);
  const options = { causal, scale: call.scale, ...m.options(size, Lk) };
  const start = performance.now();
  const out = m.run(q, k, v, options).data.slice();
  const milliseconds = performance.now() - start;
  const map = m.run(q, k, identity, options).data.slice();
  const own = visibleWeights(record, { head });
  const exact = own.slice();
  const adds = Boolean(call.bias || call.alibi || call.softcap);
  if (m.full || (adds && !m.restricts)) {
    const full = m.full
      ? m.run(q, k, identity, { causal, scale: call.scale, ...m.full(Lk) }).data
      : attentionWeights(q, k, { causal, scale: call.scale }).data;
    for (let n = 0; n < exact.length; n++) if (m.sideways || !Number.isNaN(exact[n]!)) exact[n] = full[n]!;
  } else if (adds) restricted(map, own, v.data, out, L); // only ever one text
  const then = performance.now();
  attention(q, k, v, { causal, scale: call.scale });
  const exactMilliseconds = performance.now() - then;
  const theirs =
    m.full || (adds && !m.restricts)
      ? compared({ map: map.slice(), exact: own.slice(), out, values: v.data, L, Lk, Dv, restricts: m.restricts })
      : undefined;
  return {
    ...compared({ map, exact, out, values: v.data, L, Lk, Dv, restricts: m.restricts }),
    ...(theirs && {
      model: { kept: theirs.kept, error: theirs.error, totalKept: theirs.totalKept, totalError: theirs.totalError },
    }),
    milliseconds,
    exactMilliseconds,
    causal,
    against: m.shared
      ? "its own exact attention, in which queries are their own keys"
      : m.sideways
        ? "exact attention that sees the future too: it mixes keys before anybody looks, so it cannot hide any"
        : adds && !m.restricts
          ? "exact attention without what this model adds to a score for distance, which it has no place for"
          : "exact attention",
    cost: costs(m, size, causal, call.headDim, L),
  };
};

/**
 * A mechanism that only leaves keys out, in a model that adds a bias or caps its scores: the softmax over what it sees is
 * the model's own weights there, brought back to 1.
 */
function restricted(map: Float32Array, own: Float32Array, values: Float32Array, out: Float32Array, L: number): void {
  const Dv = values.length / L;
  out.fill(0);
  for (let i = 0; i < L; i++) {
    let sum = 0;
    for (let n = i * L; n < (i + 1) * L; n++) if (map[n] !== 0 && own[n]! > 0) sum += own[n]!;
    for (let j = 0; j < L; j++) {
      const n = i * L + j;
      if (map[n] === 0) continue;
      map[n] = sum > 0 && own[n]! > 0 ? own[n]! / sum : 0;
      for (let d = 0; d < Dv; d++) out[i * Dv + d]! += map[n]! * values[j * Dv + d]!;
    }
  }
}

function compared(o: {
  map: Float32Array;
  exact: Float32Array;
  out: Float32Array;
  values: Float32Array;
  L: number;
  Lk: number;
  Dv: number;
  restricts: boolean;
}): Pick<EfficientShown, "map" | "exact" | "kept" | "error" | "totalKept" | "totalError"> {
  const { map, exact, out, values, L, Lk, Dv } = o;
  const kept = new Float32Array(L);
  const error = new Float32Array(L);
  let [off, all] = [0, 0];
  const want = new Float64Array(Dv);
  for (let i = 0; i < L; i++) {
    want.fill(0);
    for (let j = 0; j < Lk; j++) {
      const n = i * Lk + j;
      const w = exact[n]!;
      if (Number.isNaN(w)) map[n] = Number.NaN;
      else {
        if (map[n] !== 0 || !o.restricts) kept[i]! += w;
        for (let d = 0; d < Dv; d++) want[d]! += w * values[j * Dv + d]!;
      }
      if (o.restricts && map[n] === 0) map[n] = Number.NaN; // not seen at all
    }
    let [e, s] = [0, 0];
    for (let d = 0; d < Dv; d++) {
      e += (out[i * Dv + d]! - want[d]!) ** 2;
      s += want[d]! ** 2;
    }
    error[i] = s > 0 ? Math.sqrt(e / s) : 0;
    off += e;
    all += s;
  }
  const totalKept = kept.reduce((a, b) => a + b, 0) / L;
  return {
    map,
    exact,
    kept,
    error,
    totalError: all > 0 ? Math.sqrt(off / all) : 0,
    totalKept,
  };
}

/** To ten thousand tokens. */
export const measuredLengths = [256, 512, 1024, 2048, 4096, 10_000] as const;

function costs(
  m: (typeof mechanisms)[string],
  size: number,
  causal: boolean,
  headDim: number,
  shown: number,
): EfficientShown["cost"] {
  const lengths = [...new Set([shown, ...measuredLengths])].sort((a, b) => a - b);
  return lengths.map((length) => {
    const own = m.run.cost({ length, headDim }, { causal, ...m.options(size, length) });
    const exact = slidingWindow.cost(
      { length, headDim },
      { causal, window: { left: Number.POSITIVE_INFINITY, right: Number.POSITIVE_INFINITY } },
    );
    return {
      length,
      exact: exact.multiplyAdds,
      own: own.multiplyAdds,
      mapBytes: length * length * 4,
      exactBytes: exact.bytes,
      ownBytes: own.bytes,
    };
  });
}
