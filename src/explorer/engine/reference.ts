/**
 * @file The open run against a trace of the same text from elsewhere: PyTorch, ONNX Runtime, an earlier version. Layers are
 * gone through in the order they are computed, and the first head that is off is named with its worst cell.
 */
import { FileError, OptionError } from "../../tensor/index.js";
import { type AttentionRecord, readTrace, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";

export interface ReferenceAsked {
  run: number;
  name: string;
  bytes: Uint8Array;
  /** Largest |difference| of a weight that counts as equal. Default 1e-4. */
  tolerance?: number;
}
export interface HeadDifference {
  kind: Kind;
  layer: number;
  head: number;
  /** Largest |difference| of a weight, and where. */
  largest: number;
  query: number;
  key: number;
  ours: number;
  theirs: number;
}
export interface ReferenceShown {
  /** Who made the other trace. */
  engine: string;
  tolerance: number;
  /** Every head, in the order of computation. */
  heads: HeadDifference[];
  /** The first beyond the tolerance; absent when the traces agree. */
  first?: HeadDifference;
  cells: number;
  notes: string[];
}

const rowsAtOnce = 256;

function worst(
  ours: AttentionRecord,
  theirs: AttentionRecord,
  head: number,
): Omit<HeadDifference, "kind" | "layer" | "head"> {
  const out = { largest: 0, query: 0, key: 0, ours: 0, theirs: 0 };
  for (let from = 0; from < ours.queries; from += rowsAtOnce) {
    const rows = [from, Math.min(ours.queries, from + rowsAtOnce)] as const;
    const [a, b] = [visibleWeights(ours, { head, rows }), visibleWeights(theirs, { head, rows })];
    for (let n = 0; n < a.length; n++) {
      const [x, y] = [a[n]! || 0, b[n]! || 0]; // absent on one side, a weight on the other: a difference
      const d = Math.abs(x - y);
      if (d > out.largest || (Number.isNaN(b[n]!) !== Number.isNaN(a[n]!) && d > out.largest))
        Object.assign(out, {
          largest: d,
          query: from + Math.floor(n / ours.keys),
          key: n % ours.keys,
          ours: x,
          theirs: y,
        });
    }
  }
  return out;
}

/** The lab call "reference". */
export const reference: LabCall = async (asked, options, context) => {
  const { run, name, bytes, tolerance = 1e-4 } = asked as ReferenceAsked;
  const own = context.run(run).result.trace;
  const other = readTrace(bytes, name);
  const [a, b] = [own.info.sequences[0]!.ids, other.info.sequences[0]?.ids ?? []];
  const apart = a.findIndex((id, i) => id !== b[i]);
  if (a.length !== b.length || apart >= 0) {
    const at = apart >= 0 ? apart : Math.min(a.length, b.length);
    throw new OptionError({
      where: "reference",
      argument: name,
      got: `has ${b.length} tokens, ${other.info.sequences[0]?.tokens[at] === undefined ? "ending" : `“${other.info.sequences[0]!.tokens[at]}”`} at place ${at}`,
      expected: `the ${a.length} tokens of the open run, “${own.info.sequences[0]!.tokens[at] ?? "the end"}” there`,
      fix: "open the text that the other trace was recorded from",
    });
  }
  const notes: string[] = [];
  const heads: HeadDifference[] = [];
  let cells = 0;
  for (const kind of own.kinds) {
    if (!other.kinds.includes(kind)) {
      notes.push(`It has no ${kind} attention.`);
      continue;
    }
    const theirs = new Set(other.layers(kind));
    for (const layer of own.layers(kind)) {
      if (!theirs.has(layer)) {
        notes.push(`It has no layer ${layer}.`);
        continue;
      }
      const [x, y] = [own.record(layer, kind), other.record(layer, kind)];
      if (x.heads !== y.heads || x.queries !== y.queries || x.keys !== y.keys) {
        throw new FileError({
          where: "reference",
          argument: name,
          got: `has ${y.heads} heads of ${y.queries} × ${y.keys} in layer ${layer}`,
          expected: `${x.heads} heads of ${x.queries} × ${x.keys}`,
          fix: "record it from the same model",
        });
      }
      for (let head = 0; head < x.heads; head++) {
        heads.push({ kind, layer, head, ...worst(x, y, head) });
        cells += x.queries * x.keys;
        await context.breathe();
        options.signal?.throwIfAborted();
      }
      options.onProgress?.(heads.length, own.layers(kind).length * x.heads, "heads compared");
    }
  }
  if (heads.length === 0) throw new FileError({ where: "reference", argument: name, got: "shares no attention with the open run", fix: "record it from the same model" }); // biome-ignore format: one error
  const first = heads.find((h) => h.largest > tolerance);
  return {
    engine: [other.info.provenance.engine, other.info.provenance.version].filter(Boolean).join(" "),
    tolerance,
    heads,
    ...(first && { first }),
    cells,
    notes,
  } satisfies ReferenceShown;
};
