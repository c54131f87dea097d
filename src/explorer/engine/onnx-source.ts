/**
 * @file An ONNX graph as a source: its attention is found by pattern, onnxruntime-web runs it in this worker, and its trace is
 * looked at like any other. The runtime is served by the explorer's own server from where npm put it; nothing is fetched
 * from elsewhere. A decoder whose encoder is a file of its own is run behind it; one that says what comes next writes on,
 * reading its whole text anew at each step, since a graph's cache has a form of its own.
 */
import { textFeeds } from "../../onnx/feeds.js";
import { type Config, encoderBeside, encoderMissing, runBoth, sequenceOf, startId, targetSequence, wantsEncoder } from "../../onnx/two-stacks.js"; // biome-ignore format: one list
import { type OnnxModel, openOnnx } from "../../onnx/run/open.js";
import type { Ort } from "../../onnx/run/runtime.js";
import { FileError, OptionError, tensor, UnavailableError } from "../../tensor/index.js";
import { readTokenizer } from "../../text/load.js";
import type { Tokenizer } from "../../text/index.js";
import { type Sequence, Trace } from "../../trace/index.js";
import { chooser } from "../../models/sample.js";
import { random } from "../../tensor/random.js";
import { idsOf } from "./ids.js";
import { logitsAt, logProbabilities, topOf, writesOn } from "./predict.js";
import type { CallOptions, GenerationStep, ModelCard } from "./protocol.js";
import { asksForTarget, sidesOf } from "./reading.js";
import { emptyText, type RunResult, type Source } from "./sources.js";

/** Where the server hands over the runtime. */
const runtimePath = "/runtime/ort.wasm.min.mjs";

async function runtime(base: string): Promise<Ort> {
  const at = new URL(runtimePath, base).href;
  const module = await import(/* @vite-ignore */ at).catch(() => undefined);
  if (!module) {
    throw new UnavailableError({
      where: "explore",
      argument: "onnxruntime-web",
      got: "is needed to run an ONNX file and is not served here",
      fix: "npm install onnxruntime-web beside qkv and start qkv explore again",
    });
  }
  const ort = (module.default ?? module) as Ort;
  Object.assign(ort.env.wasm ?? {}, { numThreads: 1, wasmPaths: new URL("/runtime/", base).href });
  return ort;
}

/** What was opened of a source. */
interface Opened {
  model: OnnxModel;
  /** Of a decoder that wants one. */
  encoder: OnnxModel | undefined;
  tokenizer: Tokenizer | undefined;
  config: Config;
  name: string;
}

export function onnxSource(
  card: ModelCard,
  base: string,
  load: (options: CallOptions) => Promise<Map<string, Uint8Array>>,
): Source {
  let opening: Promise<void> | undefined;
  let opened: Opened;
  const open = async (options: CallOptions): Promise<void> => {
    const files = await load(options);
    const file = [...files.keys()].filter((f) => f.endsWith(".onnx")).sort(byChoice)[0]!;
    const text = (name: string): string | undefined => {
      const bytes = [...files].find(([path]) => path === name || path.endsWith(`/${name}`))?.[1];
      return bytes && new TextDecoder().decode(bytes);
    };
    const externalData = [...files].filter(([f]) => /onnx_data|\.data$/.test(f)).map(([f, data]) => ({ path: f.split("/").at(-1)!, data })); // biome-ignore format: one list
    const ort = await runtime(base);
    const graph = (path: string): Promise<OnnxModel> =>
      openOnnx(files.get(path)!, { runtime: ort, name: path.split("/").at(-1)!, ...(externalData.length > 0 && { externalData }) }); // biome-ignore format: one call
    const model = await graph(file);
    const beside = wantsEncoder(model) ? encoderBeside(file) : undefined;
    if (wantsEncoder(model) && (beside === undefined || !files.has(beside))) throw encoderMissing(file);
    const encoder = beside === undefined ? undefined : await graph(beside);
    const attentions = [...model.attentions, ...(encoder?.attentions ?? [])];
    if (attentions.length === 0) {
      throw new FileError({ where: "explore", argument: card.name, got: "has no attention that was found", fix: "qkv onnx FILE says what the graph holds" }); // biome-ignore format: one error
    }
    const json = text("tokenizer.json");
    const tokenizer =
      json === undefined ? undefined : readTokenizer({ tokenizer: json, config: text("tokenizer_config.json") });
    opened = { model, encoder, tokenizer, config: parsed(text("config.json")), name: card.name };
    card.says = `ONNX graph${encoder ? " and its encoder's" : ""}, ${attentions.length} attentions found by pattern, run by onnxruntime-web${tokenizer ? "" : "; no tokenizer: the text is read as token ids"}`;
    card.architecture = opened.config.architectures?.[0] ?? model.architecture;
    card.graph = true;
    if (!tokenizer) card.readsIds = true;
    card.layers = new Set(model.attentions.map((a) => `${a.kind} ${a.layer}`)).size;
    const { heads } = attentions[0]!;
    if (heads !== undefined) card.heads = heads;
  };
  const word = (id: number): string =>
    opened.tokenizer ? (opened.tokenizer.idToToken(id) ?? String(id)).replace(/^[Ġ▁]/, " ") : String(id);
  const source: Source = {
    card,
    async open(options) {
      opening ??= open(options);
      try {
        await opening;
      } catch (error) {
        opening = undefined;
        throw error;
      }
    },
    word,
    async run(text, edits) {
      if (edits.length > 0) {
        throw new OptionError({ where: "explore", argument: "an ONNX graph", got: "cannot be edited head by head", fix: "open the model's own folder (config.json and safetensors)" }); // biome-ignore format: one error
      }
      const result = await read(opened, text);
      card.generates = writesOn(result.trace);
      return result;
    },
  };
  source.generate = async (asked, options, breathe) => {
    const { text, trace } = await generate(opened, { word }, asked, options, breathe);
    source.written = { trace, text, notes: [] };
    return text;
  };
  return source;
}

/** A decoder before the encoder it wants; the plain graph before its half-precision and quantised copies. */
const byChoice = (a: string, b: string): number =>
  Number(/encoder/.test(a)) - Number(/encoder/.test(b)) || a.length - b.length || a.localeCompare(b);

function parsed(json: string | undefined): Config {
  try {
    return JSON.parse(json ?? "{}") as Config;
  } catch {
    return {};
  }
}

/** A text as its graph reads it: the source of two stacks, and what the decoder is to have written. */
function texts(
  { model, encoder, tokenizer, config, name }: Opened,
  text: string,
): { source: Sequence & { typeIds?: readonly number[] }; target: Sequence | undefined } {
  const two = encoder !== undefined || model.inputs.some((i) => i.name === "decoder_input_ids");
  const [from, to] = two ? sidesOf(text) : [text, undefined];
  if (from.trim() === "") throw emptyText();
  const start = startId(config);
  if (tokenizer) {
    const encoding = tokenizer.encode(two ? from.trim() : from);
    if (encoding.ids.length === 0) throw emptyText();
    return {
      source: { ...sequenceOf(two ? from.trim() : from, encoding), typeIds: encoding.typeIds },
      target: two ? targetSequence(tokenizer, start, to || undefined) : undefined,
    };
  }
  const plain = (ids: number[]): Sequence => ({ ids, tokens: ids.map(String) });
  return {
    source: plain(idsOf(from, name)),
    target: two ? plain([start, ...(to ? idsOf(to, name) : [])]) : undefined,
  };
}

async function read(opened: Opened, text: string): Promise<RunResult> {
  const { source, target } = texts(opened, text);
  const notes = target && sidesOf(text)[1] === undefined ? [asksForTarget] : [];
  return { trace: await traceOf(opened, source, target), text, notes };
}

async function traceOf(
  { model, encoder, config, name }: Opened,
  { typeIds, ...source }: Sequence & { typeIds?: readonly number[] },
  target: Sequence | undefined,
): Promise<Trace> {
  const padId = config.pad_token_id ?? 0;
  const keep = { values: true };
  const { trace, outputs } =
    encoder && target
      ? await runBoth(encoder, model, { source: { ...source, typeIds }, target, padId }, keep)
      : await model.run(
          textFeeds(model.inputs, { ids: source.ids, typeIds, padId, ...(target && { decoderIds: target.ids }) }, name),
          { ...keep, ...(target ? { sequences: [target], sources: [source] } : { sequences: [source] }) },
        );
  const logits = outputs["logits"];
  const shaped =
    logits && logits.shape.length >= 2 && logits.data instanceof Float32Array
      ? tensor(logits.data, logits.shape)
      : undefined;
  const { info, records } = trace;
  const architecture = config.architectures?.[0] ?? info.architecture;
  return new Trace({ info: { ...info, architecture }, records: [...records], logits: shaped });
}

async function generate(
  opened: Opened,
  speaks: { word(id: number): string },
  asked: { text: string; tokens: number; temperature: number; seed: number },
  options: CallOptions & { onStep?: (step: GenerationStep) => void },
  breathe: () => Promise<void>,
): Promise<{ text: string; trace: Trace }> {
  const { source, target } = texts(opened, asked.text);
  const growing = target ?? source;
  const choose = chooser({ temperature: asked.temperature });
  const draw = random(asked.seed);
  const end = opened.config.eos_token_id;
  const ends = new Set(end === undefined ? [] : [end].flat());
  let { text } = asked;
  let trace = await traceOf(opened, source, target);
  for (let n = 0; n < asked.tokens; n++) {
    const logits = logitsAt(trace, -1);
    if (!logits || !writesOn(trace)) throw new UnavailableError({ where: "explore", argument: opened.name, got: "does not say what comes next" }); // biome-ignore format: one error
    const id = choose(logits, growing.ids, draw);
    const token = opened.tokenizer ? speaks.word(id) : ` ${id}`;
    options.onStep?.({
      token,
      id,
      probability: Math.exp(logProbabilities(logits)[id]!),
      top: topOf(logits, speaks, 8),
    });
    options.onProgress?.(n + 1, asked.tokens, "tokens written");
    text += token;
    await breathe();
    options.signal?.throwIfAborted();
    if (ends.has(id)) break;
    growing.ids.push(id);
    growing.tokens.push(opened.tokenizer?.idToToken(id) ?? String(id));
    growing.offsets?.push([0, 0]);
    growing.special?.push(0);
    trace = await traceOf(opened, source, target);
  }
  return { text, trace };
}
