/**
 * @file A text read by an ONNX file, with the tokenizer that lies beside it (Node).
 *
 * transformers.js' folders are understood: `model/onnx/model.onnx` with `model/tokenizer.json` one folder up, and
 * `decoder_model*.onnx` with `encoder_model*.onnx` beside it, which is then run first.
 */
import { FileError } from "../tensor/index.js";
import { type AttentionRecord, MapRecord, QkRecord, type Sequence, Trace } from "../trace/index.js";
import type { Encoding, Tokenizer } from "../text/index.js";
import { type OnnxModel, openOnnx, type OpenOptions, type RunOptions } from "./run/open.js";
import type { OutputTensor } from "./run/told.js";
import type { Feed } from "./run/feed.js";
import { mustReadText, textFeeds } from "./feeds.js";

export interface ReadTextOptions extends Pick<RunOptions, "layers" | "kinds" | "maps"> {
  /** What the decoder of an encoder–decoder is to have written. Default: nothing yet, its start token alone. */
  target?: string | undefined;
  /** A second sequence, for models that read pairs. */
  pair?: string | undefined;
  /** A folder or tokenizer.json; default: looked for beside the file and one folder up. */
  tokenizer?: string | Tokenizer | undefined;
  runtime?: OpenOptions["runtime"];
  session?: OpenOptions["session"];
}

export interface ReadText {
  trace: Trace;
  outputs: Record<string, OutputTensor>;
  model: OnnxModel;
  tokenizer: Tokenizer;
}

/** The parts of a model's config.json that are asked here. */
interface Config {
  architectures?: string[];
  decoder_start_token_id?: number;
  pad_token_id?: number;
  bos_token_id?: number;
}

/**
 * Reads a text.
 * @throws {FileError} when there is no tokenizer, {OptionError} for a model that wants pictures or sounds
 * @example
 * const { trace } = await readTextWithOnnx("bert/onnx/model.onnx", "the cat sat on the mat");
 */
export async function readTextWithOnnx(path: string, text: string, options: ReadTextOptions = {}): Promise<ReadText> {
  const model = await openOnnx(path, { runtime: options.runtime, session: options.session });
  mustReadText(model.inputs, path);
  mustShowSome(model, path);
  const folder = await folderOf(path);
  const tokenizer = await openTokenizer(path, folder, options.tokenizer);
  const config = await readConfig(folder);
  const source = tokenizer.encode(text, { ...(options.pair !== undefined && { pair: options.pair }) });
  const start = config.decoder_start_token_id ?? config.bos_token_id ?? config.pad_token_id ?? 0;
  const target =
    options.target === undefined ? undefined : tokenizer.encode(options.target, { addSpecialTokens: false });
  const decoder = {
    ids: [start, ...(target?.ids ?? [])],
    sequence: targetSequence(tokenizer, start, options.target, target),
  };
  const sourceSequence = sequenceOf(text, source);
  const padId = config.pad_token_id ?? 0;
  const names = model.inputs.map((v) => v.name);
  const shared = { layers: options.layers, kinds: options.kinds, maps: options.maps };
  if (names.includes("encoder_hidden_states") || names.includes("encoder_outputs")) {
    return {
      ...(await withEncoder(path, model, { source, sourceSequence, decoder, padId }, options)),
      model,
      tokenizer,
    };
  }
  const twoStacks = names.includes("decoder_input_ids");
  const feeds = textFeeds(
    model.inputs,
    { ids: source.ids, typeIds: source.typeIds, decoderIds: decoder.ids, padId },
    path,
  );
  const padded = fitted(sourceSequence, feeds["input_ids"]);
  const described = twoStacks ? { sequences: [decoder.sequence], sources: [padded] } : { sequences: [padded] };
  const { trace, outputs } = await model.run(feeds, { ...shared, ...described });
  return { trace: named(trace, config), outputs, model, tokenizer };
}

/**
 * A trace without a map helps nobody: says before the run why there will be none.
 * @throws {FileError}
 */
function mustShowSome({ attentions, inputs }: OnnxModel, path: string): void {
  if (inputs.some(({ name }) => name.startsWith("encoder_"))) return; // the encoder has its own
  const [first] = attentions;
  if (attentions.some((a) => !a.tapped.startsWith("hidden: "))) return;
  throw new FileError({
    where: "readTextWithOnnx",
    argument: path,
    got: first
      ? `has ${attentions.length} attention${attentions.length > 1 ? "s" : ""}, none of which can be shown: ${first.tapped.slice("hidden: ".length)}`
      : "has no attention in its graph",
    fix: `qkv onnx ${path} lists what there is`,
  });
}

interface Pair {
  source: Encoding;
  sourceSequence: Sequence;
  decoder: { ids: number[]; sequence: Sequence };
  padId: number;
}

/** A decoder whose encoder is a file of its own: both are run, and their attentions make one trace. */
async function withEncoder(
  path: string,
  model: OnnxModel,
  { source, sourceSequence, decoder, padId }: Pair,
  options: ReadTextOptions,
): Promise<{ trace: Trace; outputs: Record<string, OutputTensor> }> {
  const beside = path
    .replace(/decoder(_with_past)?_model(_merged)?/, "encoder_model")
    .replace(/decoder(?=\.onnx$)/, "encoder");
  const { existsSync } = await import("node:fs");
  if (beside === path || !existsSync(beside)) {
    throw new FileError({
      where: "readTextWithOnnx",
      argument: path,
      got: 'is a decoder that wants "encoder_hidden_states"',
      expected: `its encoder beside it, as ${beside === path ? "encoder_model.onnx" : beside}`,
    });
  }
  const encoder = await openOnnx(beside, { runtime: options.runtime, session: options.session });
  const read = await encoder.run(
    textFeeds(encoder.inputs, { ids: source.ids, typeIds: source.typeIds, padId }, beside),
    { maps: options.maps },
  );
  await encoder.release();
  const states = read.outputs["last_hidden_state"] ?? Object.values(read.outputs)[0]!;
  const hidden = { data: states.data, shape: states.shape } as Feed;
  const extra: Record<string, Feed> = { encoder_hidden_states: hidden, encoder_outputs: hidden };
  const mask = { data: source.ids.map(() => 1), shape: [1, source.ids.length] };
  extra["encoder_attention_mask"] = mask;
  const feeds = textFeeds(model.inputs, { ids: decoder.ids, padId, extra }, path);
  const run = await model.run(feeds, { maps: options.maps });
  const records = [
    ...read.trace.records.map((r) => moved(r, "encoder")),
    ...run.trace.records.map((r) => (r.site.kind === "self" ? moved(r, "decoder") : r)),
  ].filter(
    (r) =>
      (!options.kinds || options.kinds.includes(r.site.kind)) &&
      (!options.layers || options.layers.includes(r.site.layer)),
  );
  const info = { ...run.trace.info, sequences: [decoder.sequence], sources: [sourceSequence] };
  return { trace: new Trace({ info, records }), outputs: run.outputs };
}

/** The same record under another kind: a half of a model does not know that it is one. */
function moved(record: AttentionRecord, kind: "encoder" | "decoder"): AttentionRecord {
  const site = { kind, layer: record.site.layer };
  if (record instanceof QkRecord) return new QkRecord(site, record.call, record.lse, record.values);
  return record instanceof MapRecord ? new MapRecord(site, record.map) : record;
}

function named(trace: Trace, config: Config): Trace {
  const architecture = config.architectures?.[0];
  return architecture ? new Trace({ info: { ...trace.info, architecture }, records: [...trace.records] }) : trace;
}

function sequenceOf(text: string, { ids, tokens, offsets, special }: Encoding): Sequence {
  return {
    text,
    ids: [...ids],
    tokens: [...tokens],
    offsets: offsets.map(([a, b]) => [a, b]),
    special: special.map(Number),
  };
}

/** With padding up to a fixed length, where the graph wanted it. */
function fitted(sequence: Sequence, feed: Feed | undefined): Sequence {
  const length = feed?.data.length ?? sequence.ids.length;
  const more = length - sequence.ids.length;
  if (more <= 0) return sequence;
  const fill = <T>(list: T[] | undefined, value: T): T[] => [...(list ?? []), ...new Array<T>(more).fill(value)];
  return {
    ...sequence,
    ids: fill(sequence.ids, Number(feed!.data[length - 1])),
    tokens: fill(sequence.tokens, "[PAD]"),
    offsets: fill<[number, number]>(sequence.offsets, [0, 0]),
    special: fill(sequence.special, 1),
    mask: fill(
      sequence.ids.map(() => 1),
      0,
    ),
  };
}

function targetSequence(
  tokenizer: Tokenizer,
  start: number,
  text: string | undefined,
  encoding: Encoding | undefined,
): Sequence {
  const own: Sequence = encoding ? sequenceOf(text!, encoding) : { ids: [], tokens: [], offsets: [], special: [] };
  return {
    ...(text !== undefined && { text }),
    ids: [start, ...own.ids],
    tokens: [tokenizer.decode([start], { skipSpecialTokens: false }) || `#${start}`, ...own.tokens],
    offsets: [[0, 0], ...own.offsets!],
    special: [1, ...own.special!],
  };
}

/** The folder with the tokenizer: the file's own, or the one above it. */
async function folderOf(path: string): Promise<string | undefined> {
  const { existsSync } = await import("node:fs");
  const { dirname, join, resolve } = await import("node:path");
  const own = dirname(resolve(path));
  return [own, dirname(own)].find((folder) => existsSync(join(folder, "tokenizer.json")));
}

async function openTokenizer(
  path: string,
  folder: string | undefined,
  given: string | Tokenizer | undefined,
): Promise<Tokenizer> {
  if (given !== undefined && typeof given !== "string") return given;
  const where = given ?? folder;
  if (where === undefined) {
    throw new FileError({
      where: "readTextWithOnnx",
      argument: path,
      got: "has no tokenizer.json beside it, nor one folder up",
      fix: "copy the model's tokenizer.json into its folder, or feed ids from code: (await openOnnx(file)).run(feeds)",
    });
  }
  const { loadTokenizer } = await import("../text/index.js");
  return loadTokenizer(where);
}

async function readConfig(folder: string | undefined): Promise<Config> {
  if (folder === undefined) return {};
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const text = await readFile(join(folder, "config.json"), "utf8").catch(() => "{}");
  try {
    return JSON.parse(text) as Config;
  } catch {
    return {};
  }
}
