/**
 * @file A text read by an ONNX file, with the tokenizer that lies beside it (Node).
 *
 * transformers.js' folders are understood: `model/onnx/model.onnx` with `model/tokenizer.json` one folder up, and
 * `decoder_model*.onnx` with `encoder_model*.onnx` beside it, which is then run first.
 */
import { FileError } from "../tensor/index.js";
import { type Sequence, Trace } from "../trace/index.js";
import type { Tokenizer } from "../text/index.js";
import { type OnnxModel, openOnnx, type OpenOptions, type RunOptions } from "./run/open.js";
import type { OutputTensor } from "./run/told.js";
import type { Feed } from "./run/feed.js";
import { mustReadText, textFeeds } from "./feeds.js";
import {
  type Config,
  encoderBeside,
  encoderMissing,
  runBoth,
  sequenceOf,
  startId,
  targetSequence,
  type TwoTexts,
  wantsEncoder,
} from "./two-stacks.js";

export interface ReadTextOptions extends Pick<RunOptions, "layers" | "kinds" | "maps" | "values"> {
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
  const decoder = targetSequence(tokenizer, startId(config), options.target);
  const sourceSequence = sequenceOf(text, source);
  const padId = config.pad_token_id ?? 0;
  const names = model.inputs.map((v) => v.name);
  const { layers, kinds, maps, values } = options;
  const shared = { layers, kinds, maps, values };
  if (wantsEncoder(model)) {
    return {
      ...(await withEncoder(
        path,
        model,
        { source: { ...sourceSequence, typeIds: source.typeIds }, target: decoder, padId },
        options,
      )),
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
  const described = twoStacks ? { sequences: [decoder], sources: [padded] } : { sequences: [padded] };
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

/** A decoder whose encoder is a file of its own: both are run, and their attentions make one trace. */
async function withEncoder(
  path: string,
  model: OnnxModel,
  text: TwoTexts,
  options: ReadTextOptions,
): Promise<{ trace: Trace; outputs: Record<string, OutputTensor> }> {
  const beside = encoderBeside(path);
  const { existsSync } = await import("node:fs");
  if (beside === undefined || !existsSync(beside)) throw encoderMissing(path);
  const encoder = await openOnnx(beside, { runtime: options.runtime, session: options.session });
  try {
    return await runBoth(encoder, model, text, options);
  } finally {
    await encoder.release();
  }
}

function named(trace: Trace, config: Config): Trace {
  const architecture = config.architectures?.[0];
  return architecture ? new Trace({ info: { ...trace.info, architecture }, records: [...trace.records] }) : trace;
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
