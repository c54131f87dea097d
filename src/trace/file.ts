/**
 * @file The trace file: a safetensors file, so Python opens it too.
 *
 *     layers.3.self.q    [B, H, Lq, D]      layers.3.self.lse      [B, H, Lq]
 *     layers.3.self.k    [B, Hk, Lk, D]     layers.3.self.v        [B, Hk, Lk, Dv]   when values were kept
 *     layers.3.self.given.5 [B, Lq, Lk]     the map of a head that was given by hand
 *     layers.3.self.weights [B, H, Lq, Lk]  instead of q, k, lse, where an engine gave only finished maps
 *     rules.0.first, rules.0.end, …         who may attend (`AttentionRule`); equal rules are stored once
 *     biases.0                              what was added to the scores; equal biases are stored once
 *     hiddenStates.0 …, encoderHiddenStates.0 …, logits
 *
 * Texts, tokens, sizes and provenance are JSON under the key "qkv" of `__metadata__`. Reading trusts none of it: every
 * size is held against the tensors that are there.
 */
import type { AttentionKind, Site } from "../attention/listen.js";
import type { AttentionRule } from "../kernels/kernel.js";
import {
  FileError,
  type Safetensors,
  readSafetensors,
  type Tensor,
  type TensorLike,
  tensor,
  writeSafetensors,
} from "../tensor/index.js";
import { MapRecord } from "./map-record.js";
import { type AttentionRecord, type QkCall, QkRecord } from "./record.js";
import { headsOf } from "./recorder.js";
import { Trace, type TraceInfo } from "./trace.js";

/** Raised when a reader of today could not understand a file of tomorrow. */
const format = 1;

type Strides = readonly [number, number, number, number];

interface StoredRecord {
  site: Site;
  scale?: number;
  softcap?: number;
  rule?: number;
  bias?: { index: number; offset: number; strides: Strides };
  alibi?: { slopes: number[]; queryOffset: number };
  sinks?: number[];
}
interface StoredRule {
  perBatch: boolean;
  keyMask?: { batchStride: number };
  mask?: { strides: Strides };
  documents?: { queryStride: number; keyStride: number };
  blocks?: { size: number; strides: Strides };
}
interface Stored {
  format: number;
  info: TraceInfo;
  records: StoredRecord[];
  rules: StoredRule[];
  hiddenStates: number;
  encoderHiddenStates: number;
}

type Entry = { name: string; value: Tensor | TensorLike; type?: "F32" | "I32" | "U8" };
const prefix = ({ kind, layer }: Site): string => `layers.${layer}.${kind}`;

/** Writes a trace. The same trace gives the same bytes. */
export function writeTrace(trace: Trace): Uint8Array {
  const entries: Entry[] = [];
  const rules: { rule: AttentionRule; stored: StoredRule }[] = [];
  const biases: Tensor[] = [];
  const records = trace.records.map((record): StoredRecord => {
    const name = prefix(record.site);
    if (!(record instanceof QkRecord)) {
      entries.push({ name: `${name}.weights`, value: record.weights() });
      return { site: record.site };
    }
    const { call, lse, values, given } = record;
    entries.push({ name: `${name}.q`, value: call.q.tensor }, { name: `${name}.k`, value: call.k.tensor });
    entries.push({ name: `${name}.lse`, value: lse });
    if (values) entries.push({ name: `${name}.v`, value: values });
    for (const [head, value] of given) entries.push({ name: `${name}.given.${head}`, value });
    let rule = rules.findIndex((r) => sameRule(r.rule, call.rule));
    if (rule < 0) rule = rules.push({ rule: call.rule, stored: storeRule(call.rule, rules.length, entries) }) - 1;
    return {
      site: record.site,
      scale: call.scale,
      rule,
      ...(call.softcap && { softcap: call.softcap }),
      ...(call.bias && {
        bias: {
          index: storeOnce(call.bias.tensor, biases, entries),
          offset: call.bias.offset,
          strides: call.bias.strides,
        },
      }),
      ...(call.alibi && { alibi: { slopes: [...call.alibi.slopes], queryOffset: call.alibi.queryOffset } }),
      ...(call.sinks && { sinks: [...call.sinks.data] }),
    };
  });
  trace.hiddenStates.forEach((value, i) => entries.push({ name: `hiddenStates.${i}`, value }));
  trace.encoderHiddenStates.forEach((value, i) => entries.push({ name: `encoderHiddenStates.${i}`, value }));
  if (trace.logits) entries.push({ name: "logits", value: trace.logits });
  const stored: Stored = {
    format,
    info: trace.info,
    records,
    rules: rules.map((r) => r.stored),
    hiddenStates: trace.hiddenStates.length,
    encoderHiddenStates: trace.encoderHiddenStates.length,
  };
  return writeSafetensors(entries, { qkv: JSON.stringify(stored) });
}

function storeRule(rule: AttentionRule, index: number, entries: Entry[]): StoredRule {
  const put = (name: string, data: ArrayLike<number>, type: "I32" | "U8"): void => {
    entries.push({ name: `rules.${index}.${name}`, value: { data, shape: [data.length] }, type });
  };
  const { perBatch, keyMask, mask, documents, blocks } = rule;
  put("first", rule.first, "I32");
  put("end", rule.end, "I32");
  if (keyMask) put("keyMask", keyMask.data, "U8");
  if (mask) put("mask", mask.data, "U8");
  if (documents) {
    put("documents.query", documents.query, "I32");
    put("documents.key", documents.key, "I32");
  }
  if (blocks) put("blocks", blocks.data, "U8");
  return {
    perBatch,
    ...(keyMask && { keyMask: { batchStride: keyMask.batchStride } }),
    ...(mask && { mask: { strides: mask.strides } }),
    ...(documents && { documents: { queryStride: documents.queryStride, keyStride: documents.keyStride } }),
    ...(blocks && { blocks: { size: blocks.size, strides: blocks.strides } }),
  };
}

const equal = (a: ArrayLike<number> | undefined, b: ArrayLike<number> | undefined): boolean => {
  if (a === b) return true;
  if (!a || !b || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

function sameRule(a: AttentionRule, b: AttentionRule): boolean {
  const shape = ({ perBatch, keyMask, mask, documents, blocks }: AttentionRule): string =>
    JSON.stringify([
      perBatch,
      keyMask?.batchStride,
      mask?.strides,
      documents?.queryStride,
      documents?.keyStride,
      blocks?.size,
      blocks?.strides,
    ]);
  return (
    shape(a) === shape(b) &&
    equal(a.first, b.first) &&
    equal(a.end, b.end) &&
    equal(a.keyMask?.data, b.keyMask?.data) &&
    equal(a.mask?.data, b.mask?.data) &&
    equal(a.documents?.query, b.documents?.query) &&
    equal(a.documents?.key, b.documents?.key) &&
    equal(a.blocks?.data, b.blocks?.data)
  );
}

function storeOnce(bias: Tensor, biases: Tensor[], entries: Entry[]): number {
  const known = biases.findIndex((b) => equal(b.shape, bias.shape) && equal(b.data, bias.data));
  if (known >= 0) return known;
  entries.push({ name: `biases.${biases.length}`, value: bias });
  return biases.push(bias) - 1;
}

/**
 * Reads a trace file.
 * @param file named in errors
 * @throws {FileError} when it is no trace, of a later format, or when its parts contradict each other
 */
export function readTrace(bytes: Uint8Array, file = "the file"): Trace {
  const opened = readSafetensors(bytes, file);
  const stored = readStored(opened, file);
  const tensors = (name: string, count: number): Tensor[] =>
    Array.from({ length: count }, (_, i) => opened.tensor(`${name}.${i}`));
  const rules = stored.rules.map((rule, i) => readRule(opened, rule, i));
  return new Trace({
    info: stored.info,
    records: stored.records.map((r) => readRecord(opened, r, rules, file)),
    hiddenStates: tensors("hiddenStates", stored.hiddenStates ?? 0),
    encoderHiddenStates: tensors("encoderHiddenStates", stored.encoderHiddenStates ?? 0),
    logits: opened.names.includes("logits") ? opened.tensor("logits") : undefined,
  });
}

function readStored(opened: Safetensors, file: string): Stored {
  const fix = "open a file written by `qkv trace`";
  const text = opened.metadata["qkv"];
  if (text === undefined) {
    throw new FileError({
      where: "readTrace",
      argument: file,
      got: "is a safetensors file without a trace in it",
      fix,
    });
  }
  let stored: Stored;
  try {
    stored = JSON.parse(text) as Stored;
  } catch {
    throw new FileError({ where: "readTrace", argument: file, got: "has a description that is not JSON", fix });
  }
  if (!(stored?.format <= format)) {
    throw new FileError({
      where: "readTrace",
      argument: file,
      got: `is of trace format ${stored?.format}`,
      expected: `format ${format} or older`,
      fix: "update qkv",
    });
  }
  const { info } = stored;
  const whole = Array.isArray(stored.records) && Array.isArray(stored.rules) && typeof info?.model === "string";
  const sequence = (s: unknown): boolean =>
    Array.isArray((s as { tokens?: unknown })?.tokens) && Array.isArray((s as { ids?: unknown }).ids);
  const sequences = Array.isArray(info?.sequences) && [...info.sequences, ...(info.sources ?? [])].every(sequence);
  if (!whole || !sequences) {
    throw new FileError({ where: "readTrace", argument: file, got: "has a description with parts missing", fix });
  }
  return stored;
}

const kinds: readonly AttentionKind[] = ["self", "encoder", "decoder", "cross"];

function readRecord(opened: Safetensors, stored: StoredRecord, rules: AttentionRule[], file: string): AttentionRecord {
  const { site } = stored;
  if (!kinds.includes(site?.kind) || !Number.isInteger(site.layer)) {
    throw new FileError({
      where: "readTrace",
      argument: file,
      got: `has a record for ${JSON.stringify(site)}`,
      expected: `kind (${kinds.join(", ")}) and layer`,
    });
  }
  const name = prefix(site);
  const contradiction = (got: string, expected: string): FileError =>
    new FileError({ where: "readTrace", argument: `"${name}" of ${file}`, got, expected });
  if (opened.names.includes(`${name}.weights`)) {
    const map = opened.tensor(`${name}.weights`);
    if (map.shape.length !== 4) throw contradiction(`has shape [${map.shape.join(", ")}]`, "[B, H, Lq, Lk]");
    return new MapRecord(site, map);
  }
  const [q, k, lse] = ["q", "k", "lse"].map((n) => opened.tensor(`${name}.${n}`)) as [Tensor, Tensor, Tensor];
  const [batch, heads, queries, headDim] = q.shape as [number, number, number, number];
  const [, keyHeads, keys] = k.shape as [number, number, number];
  const fits =
    q.shape.length === 4 &&
    k.shape.length === 4 &&
    k.shape[0] === batch &&
    k.shape[3] === headDim &&
    keyHeads > 0 &&
    heads % keyHeads === 0;
  if (!fits)
    throw contradiction(
      `has q [${q.shape.join(", ")}] and k [${k.shape.join(", ")}]`,
      "[B, H, Lq, D] and [B, Hk, Lk, D]",
    );
  if (!equal(lse.shape, [batch, heads, queries]))
    throw contradiction(`has lse [${lse.shape.join(", ")}]`, `[${batch}, ${heads}, ${queries}]`);
  const rule = rules[stored.rule ?? -1];
  const rows = rule?.perBatch ? batch * queries : queries;
  if (
    !rule ||
    rule.first.length !== rows ||
    rule.end.length !== rows ||
    rule.end.some((e) => e > keys) ||
    rule.first.some((f) => f < 0)
  ) {
    throw contradiction("has a rule that does not fit its lengths", `intervals for ${rows} rows within ${keys} keys`);
  }
  if (!(typeof stored.scale === "number")) throw contradiction(`has scale ${stored.scale}`, "a number");
  const { bias, softcap, alibi, sinks } = stored;
  const call: QkCall = {
    batch,
    heads,
    keyHeads,
    queries,
    keys,
    headDim, // biome-ignore format: sizes
    scale: stored.scale,
    rule,
    q: headsOf(q),
    k: headsOf(k),
    ...(softcap && { softcap }),
    ...(bias && {
      bias: { tensor: opened.tensor(`biases.${bias.index}`), offset: bias.offset, strides: bias.strides },
    }),
    ...(alibi && { alibi: { slopes: Float32Array.from(alibi.slopes), queryOffset: alibi.queryOffset } }),
    ...(sinks && { sinks: tensor(sinks) }),
  };
  const v = opened.names.includes(`${name}.v`) ? opened.tensor(`${name}.v`) : undefined;
  const given = new Map<number, Tensor>();
  for (let head = 0; head < heads; head++) {
    if (!opened.names.includes(`${name}.given.${head}`)) continue;
    const map = opened.tensor(`${name}.given.${head}`);
    if (!equal(map.shape, [batch, queries, keys])) {
      const expected = `[${batch}, ${queries}, ${keys}]`;
      throw contradiction(`has a given map [${map.shape.join(", ")}]`, expected);
    }
    given.set(head, map);
  }
  return new QkRecord(site, call, lse, v, given);
}

function readRule(opened: Safetensors, stored: StoredRule, index: number): AttentionRule {
  const ints = (name: string): Int32Array => opened.raw(`rules.${index}.${name}`).data as Int32Array;
  const bytes = (name: string): Uint8Array => opened.raw(`rules.${index}.${name}`).data as Uint8Array;
  const { perBatch, keyMask, mask, documents, blocks } = stored;
  return {
    perBatch: perBatch === true,
    first: ints("first"),
    end: ints("end"),
    ...(keyMask && { keyMask: { data: bytes("keyMask"), batchStride: keyMask.batchStride } }),
    ...(mask && { mask: { data: bytes("mask"), strides: mask.strides } }),
    ...(documents && { documents: { query: ints("documents.query"), key: ints("documents.key"), ...documents } }),
    ...(blocks && { blocks: { data: bytes("blocks"), ...blocks } }),
  };
}
