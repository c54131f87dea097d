/**
 * @file An encoder–decoder as ONNX: in one file, or as a decoder with its encoder in a file beside it, which is then run first.
 * Runs in Node and in a page; who reads files is somebody else.
 */
import { FileError } from "../tensor/index.js";
import { type AttentionRecord, MapRecord, QkRecord, type Sequence, Trace } from "../trace/index.js";
import type { Encoding, Tokenizer } from "../text/index.js";
import { textFeeds } from "./feeds.js";
import type { OnnxModel, RunOptions } from "./run/open.js";
import type { Feed } from "./run/feed.js";
import type { OutputTensor } from "./run/told.js";

/** The parts of a model's config.json that are asked here. */
export interface Config {
  architectures?: string[];
  decoder_start_token_id?: number;
  pad_token_id?: number;
  bos_token_id?: number;
  eos_token_id?: number | number[];
}

/** What a decoder begins with. */
export const startId = (config: Config): number =>
  config.decoder_start_token_id ?? config.bos_token_id ?? config.pad_token_id ?? 0;

/** The encoder's file that belongs to a decoder's, by the names that optimum and transformers.js give them. */
export function encoderBeside(decoder: string): string | undefined {
  const beside = decoder
    .replace(/decoder(_with_past)?_model(_merged)?/, "encoder_model")
    .replace(/decoder(?=\.onnx$)/, "encoder");
  return beside === decoder ? undefined : beside;
}

/** Whether a graph is a decoder that wants its encoder's result. */
export const wantsEncoder = ({ inputs }: OnnxModel): boolean =>
  inputs.some(({ name }) => name === "encoder_hidden_states" || name === "encoder_outputs");

export const encoderMissing = (decoder: string): FileError =>
  new FileError({
    where: "readTextWithOnnx",
    argument: decoder,
    got: 'is a decoder that wants "encoder_hidden_states"',
    expected: `its encoder beside it, as ${encoderBeside(decoder) ?? "encoder_model.onnx"}`,
  });

/** A source and what a decoder is to have written of it, its start token first. */
export interface TwoTexts {
  source: Sequence & { typeIds?: readonly number[] | undefined };
  target: Sequence;
  padId: number;
}

/** Runs the encoder, then the decoder on its result; the attentions of both make one trace. */
export async function runBoth(
  encoder: OnnxModel,
  decoder: OnnxModel,
  { source: { typeIds, ...source }, target, padId }: TwoTexts,
  options: Pick<RunOptions, "layers" | "kinds" | "maps" | "values">,
): Promise<{ trace: Trace; outputs: Record<string, OutputTensor> }> {
  const keep = { maps: options.maps, values: options.values };
  const read = await encoder.run(textFeeds(encoder.inputs, { ids: source.ids, typeIds, padId }, encoder.name), keep);
  const states = read.outputs["last_hidden_state"] ?? Object.values(read.outputs)[0]!;
  const hidden = { data: states.data, shape: states.shape } as Feed;
  const mask = { data: source.ids.map(() => 1), shape: [1, source.ids.length] };
  const extra = { encoder_hidden_states: hidden, encoder_outputs: hidden, encoder_attention_mask: mask };
  const run = await decoder.run(textFeeds(decoder.inputs, { ids: target.ids, padId, extra }, decoder.name), keep);
  const records = [
    ...read.trace.records.map((r) => moved(r, "encoder")),
    ...run.trace.records.map((r) => (r.site.kind === "self" ? moved(r, "decoder") : r)),
  ].filter(
    (r) =>
      (!options.kinds || options.kinds.includes(r.site.kind)) &&
      (!options.layers || options.layers.includes(r.site.layer)),
  );
  const info = { ...run.trace.info, sequences: [target], sources: [source] };
  return { trace: new Trace({ info, records }), outputs: run.outputs };
}

/** The same record under another kind: a half of a model does not know that it is one. */
function moved(record: AttentionRecord, kind: "encoder" | "decoder"): AttentionRecord {
  const site = { kind, layer: record.site.layer };
  if (record instanceof QkRecord) return new QkRecord(site, record.call, record.lse, record.values);
  return record instanceof MapRecord ? new MapRecord(site, record.map) : record;
}

export function sequenceOf(text: string, { ids, tokens, offsets, special }: Encoding): Sequence {
  return {
    text,
    ids: [...ids],
    tokens: [...tokens],
    offsets: offsets.map(([a, b]) => [a, b]),
    special: special.map(Number),
  };
}

/** A target as a decoder reads it: the start token, then the text's own. */
export function targetSequence(tokenizer: Tokenizer, start: number, text: string | undefined): Sequence {
  const own: Sequence =
    text === undefined
      ? { ids: [], tokens: [], offsets: [], special: [] }
      : sequenceOf(text, tokenizer.encode(text, { addSpecialTokens: false }));
  return {
    ...(text !== undefined && { text }),
    ids: [start, ...own.ids],
    tokens: [tokenizer.decode([start], { skipSpecialTokens: false }) || `#${start}`, ...own.tokens],
    offsets: [[0, 0], ...own.offsets!],
    special: [1, ...own.special!],
  };
}
