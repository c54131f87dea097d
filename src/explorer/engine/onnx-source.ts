/**
 * @file An ONNX graph as a source: its attention is found by pattern, onnxruntime-web runs it in this worker, and its trace is
 * looked at like any other. The runtime is served by the explorer's own server from where npm put it; nothing is fetched
 * from elsewhere.
 */
import { textFeeds } from "../../onnx/feeds.js";
import { type OnnxModel, openOnnx } from "../../onnx/run/open.js";
import type { Ort } from "../../onnx/run/runtime.js";
import { FileError, OptionError, tensor, UnavailableError } from "../../tensor/index.js";
import { readTokenizer } from "../../text/load.js";
import type { Tokenizer } from "../../text/index.js";
import { type Sequence, Trace } from "../../trace/index.js";
import { idsOf } from "./ids.js";
import type { CallOptions, Edit, ModelCard } from "./protocol.js";
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

export function onnxSource(
  card: ModelCard,
  base: string,
  load: (options: CallOptions) => Promise<Map<string, Uint8Array>>,
): Source {
  let opening: Promise<void> | undefined;
  let model: OnnxModel;
  let tokenizer: Tokenizer | undefined;
  const open = async (options: CallOptions): Promise<void> => {
    const files = await load(options);
    const file = [...files.keys()].filter((f) => f.endsWith(".onnx")).sort(byChoice)[0]!;
    const text = (name: string): string | undefined => {
      const bytes = [...files].find(([path]) => path === name || path.endsWith(`/${name}`))?.[1];
      return bytes && new TextDecoder().decode(bytes);
    };
    const externalData = [...files].filter(([f]) => /onnx_data|\.data$/.test(f)).map(([f, data]) => ({ path: f.split("/").at(-1)!, data })); // biome-ignore format: one list
    const ort = await runtime(base);
    model = await openOnnx(files.get(file)!, { runtime: ort, name: card.name, ...(externalData.length > 0 && { externalData }) }); // biome-ignore format: one call
    if (model.attentions.length === 0) {
      throw new FileError({ where: "explore", argument: card.name, got: "has no attention that was found", fix: "qkv onnx FILE says what the graph holds" }); // biome-ignore format: one error
    }
    const json = text("tokenizer.json");
    tokenizer =
      json === undefined ? undefined : readTokenizer({ tokenizer: json, config: text("tokenizer_config.json") });
    card.says = `ONNX graph, ${model.attentions.length} attentions found by pattern, run by onnxruntime-web${tokenizer ? "" : "; no tokenizer: the text is read as token ids"}`;
    card.architecture = model.architecture;
    card.layers = new Set(model.attentions.map((a) => `${a.kind} ${a.layer}`)).size;
    const { heads } = model.attentions[0]!;
    if (heads !== undefined) card.heads = heads;
  };
  return {
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
    word: (id) => (tokenizer ? (tokenizer.idToToken(id) ?? String(id)).replace(/^[Ġ▁]/, " ") : String(id)),
    run: (text, edits) => read(model, tokenizer, card.name, text, edits),
  };
}

/** The plain graph before its half-precision and quantised copies. */
const byChoice = (a: string, b: string): number => a.length - b.length || a.localeCompare(b);

async function read(
  model: OnnxModel,
  tokenizer: Tokenizer | undefined,
  name: string,
  text: string,
  edits: Edit[],
): Promise<RunResult> {
  if (edits.length > 0) {
    throw new OptionError({ where: "explore", argument: "an ONNX graph", got: "cannot be edited head by head", fix: "open the model's own folder (config.json and safetensors)" }); // biome-ignore format: one error
  }
  const twoStacks = model.inputs.some((i) => i.name === "decoder_input_ids");
  const [source, target] = twoStacks && text.includes("=>") ? (text.split("=>", 2) as [string, string]) : [text, ""];
  const own = sequenceOf(tokenizer, source.trim(), name);
  if (own.ids.length === 0) throw emptyText();
  const other = twoStacks ? sequenceOf(tokenizer, target.trim(), name, [0]) : undefined;
  const feeds = textFeeds(model.inputs, { ids: own.ids, ...(other && { decoderIds: other.ids }) }, name);
  const { trace, outputs } = await model.run(
    feeds,
    other ? { sequences: [other], sources: [own] } : { sequences: [own] },
  );
  const logits = outputs["logits"];
  const shaped =
    logits && logits.shape.length === 3 && logits.data instanceof Float32Array
      ? tensor(logits.data, logits.shape)
      : undefined;
  const { info, records } = trace;
  return { trace: new Trace({ info, records: [...records], logits: shaped }), text, notes: [] };
}

function sequenceOf(tokenizer: Tokenizer | undefined, text: string, name: string, start: number[] = []): Sequence {
  if (!tokenizer) {
    const ids = [...start, ...(text === "" && start.length > 0 ? [] : idsOf(text, name))];
    return { ids, tokens: ids.map(String) };
  }
  const { ids, tokens, offsets, special } = tokenizer.encode(text, { addSpecialTokens: start.length === 0 });
  return {
    text,
    ids: [...start, ...ids],
    tokens: [...start.map(String), ...tokens],
    offsets: [...start.map((): [number, number] => [0, 0]), ...offsets],
    special: [...start.map(() => 1), ...special],
  };
}
