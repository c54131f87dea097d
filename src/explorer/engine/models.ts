/** @file Models as sources: the bundled one, folders the server hands over, folders dropped on the page. */
import type { Model } from "../../models/index.js";
import { buildModel } from "../../models/load/build.js";
import { parseJson } from "../../models/load/files.js";
import { ggufModel } from "../../models/load/gguf/model.js";
import { openGguf } from "../../models/load/gguf/open.js";
import { memorySource } from "../../models/load/source.js";
import { joinWeights, openWeights } from "../../models/load/weights.js";
import { FileError } from "../../tensor/index.js";
import { readTokenizer } from "../../text/load.js";
import { readTrace, type Trace } from "../../trace/index.js";
import { lensRows } from "./lens.js";
import { logitsAt, topOf } from "./predict.js";
import type { Early, Served } from "./early.js";
import type { CallOptions, DroppedFile, Edit, GenerationStep, ModelCard } from "./protocol.js";
import { idsOf } from "./ids.js";
import { asksForTarget, idInputs, sidesOf } from "./reading.js";
import { emptyText, type RunResult, type Source, traceSource } from "./sources.js";
import { runWithEdits } from "./what-if.js";
import { outputProjection } from "./weights.js";

/** Longest text in tokens for a model whose positions are relative. */
const longest = 16_384;
/** Logits of a run, in numbers: more would not fit beside the model. */
const mostLogits = 2 ** 27;
export function modelSource(card: ModelCard, load: (options: CallOptions) => Promise<Model>): Source {
  let loading: Promise<Model> | undefined;
  let model: Model | undefined;
  const source: Source = {
    card,
    async open(options) {
      loading ??= load(options);
      try {
        model = await loading;
      } catch (error) {
        loading = undefined;
        throw error;
      }
      describe(card, model);
      source.model = model;
    },
    async run(text, edits) {
      return read(model!, text, edits);
    },
    word: (id) => wordOf(model!, id),
    lens: (result, top) => lensRows(model!, result.trace, (id) => wordOf(model!, id), top),
    outputProjection: (layer, head, kind) => outputProjection(model!, layer, head, kind),
  };
  source.generate = async (asked, options, breathe) => {
    const { text, trace } = await generate(model!, asked, options, breathe);
    if (trace) source.written = { trace, text, notes: [] };
    return text;
  };
  return source;
}

function describe(card: ModelCard, model: Model): void {
  card.architecture = model.architecture;
  card.parameters = model.parameterCount;
  card.generates = model.family !== "encoder";
  if (!model.hasTokenizer) card.readsIds = true;
  const context = model.contextLength;
  if (context !== undefined) card.context = context;
  const size = model.parameterCount;
  card.says = `${model.architecture}, ${size > 1e6 ? `${(size / 1e6).toFixed(1)} million` : size.toLocaleString("en")} weights${context ? `, context ${context}` : ""}`;
}

/** Models whose positions are a table: longer texts cannot be read at all. */
const tables = new Set(["gpt2", "bert", "distilbert", "roberta", "electra", "gpt_neo", "opt"]);

function read(model: Model, given: string, edits: Edit[]): RunResult {
  const notes: string[] = [];
  if (!model.hasTokenizer) return readIds(model, given, edits);
  const [text, target] = model.family === "encoder-decoder" ? split(given, notes) : [given, undefined];
  const encoding = model.tokenizer.encode(text);
  if (encoding.special.every((s) => s === 1) && text.trim() === "") throw emptyText();
  if (encoding.ids.length === 0) throw emptyText();
  const own = model.contextLength;
  const room = Math.min(
    tables.has(model.architecture) ? (own ?? longest) : longest,
    Math.floor(mostLogits / model.vocabularySize),
  );
  let kept = text;
  if (encoding.ids.length > room) {
    const added = encoding.special.filter((s) => s === 1).length;
    const words = encoding.offsets.filter((_, i) => encoding.special[i] !== 1);
    kept = text.slice(0, words[Math.max(0, room - added - 1)]![1]);
    notes.push(
      `The text has ${encoding.ids.length.toLocaleString("en")} tokens, this model reads ${room.toLocaleString("en")}: the rest is left out.`,
    );
  } else if (own !== undefined && encoding.ids.length > own) {
    notes.push(
      `${encoding.ids.length.toLocaleString("en")} tokens are more than the ${own} this model was trained on: it reads them, but what it says after token ${own} is beyond its training.`,
    );
  }
  const trace = runWithEdits((options) => model.read(kept, { ...options, ...(target !== undefined && { target }) }), model, edits); // biome-ignore format: one call
  return { trace, text: given, notes };
}

/** A model without a tokenizer reads ids; an encoder–decoder's target follows after the mark. */
function readIds(model: Model, given: string, edits: Edit[]): RunResult {
  const all = idInputs(model, given);
  const ids = all.inputIds[0]!;
  if (ids.length === 0) throw emptyText();
  const room = Math.max(1, tables.has(model.architecture) ? (model.contextLength ?? longest) : longest);
  const inputs = { ...all, inputIds: [ids.slice(0, room)] };
  const notes = ["This model has no tokenizer: the text is read as token ids."];
  if (model.family === "encoder-decoder" && sidesOf(given)[1] === undefined) notes.push(asksForTarget);
  const trace = runWithEdits((options) => model.forward(inputs, options), model, edits);
  return { trace, text: given, notes };
}

function split(given: string, notes: string[]): [string, string | undefined] {
  const sides = sidesOf(given);
  if (sides[1] === undefined) notes.push(asksForTarget);
  return sides;
}

/** A vocabulary id as the text it would add. */
function wordOf(model: Model, id: number): string {
  if (!model.hasTokenizer) return String(id);
  const raw = model.tokenizer.idToToken(id) ?? String(id);
  if (model.tokenizer.isSpecial(id)) return raw;
  const space = /^[Ġ▁]/.test(raw) ? " " : "";
  const decoded = model.tokenizer.decode([id]).replace(/^ /, "");
  if (decoded.includes("\ufffd")) return raw;
  return raw.startsWith("##") ? decoded.replace(/^##/, "") : space + decoded;
}

async function generate(
  model: Model,
  asked: { text: string; tokens: number; temperature: number; seed: number },
  options: CallOptions & { onStep?: (step: GenerationStep) => void },
  breathe: () => Promise<void>,
): Promise<{ text: string; trace: Trace | undefined }> {
  const ids = model.hasTokenizer
    ? model.tokenizer.encode(asked.text, { addSpecialTokens: model.family === "encoder-decoder" }).ids
    : idsOf(asked.text, model.name);
  if (ids.length === 0) throw emptyText();
  const own = tables.has(model.architecture) ? (model.contextLength ?? longest) : longest;
  const maxNewTokens = Math.max(1, Math.min(asked.tokens, own - ids.length));
  let text = asked.text;
  let trace: Trace | undefined;
  const steps = model.generate(ids, {
    maxNewTokens,
    temperature: asked.temperature,
    seed: asked.seed,
    trace: true,
    ...(options.signal && { signal: options.signal }),
  });
  let done = 0;
  for await (const step of steps) {
    text += model.hasTokenizer ? step.token : ` ${step.id}`;
    trace = step.trace;
    const top = topOf(step.logits.data, { word: (id) => wordOf(model, id) }, 8);
    const probability = top.find((g) => g.id === step.id)?.probability ?? probabilityOf(step.logits.data, step.id);
    options.onStep?.({ token: model.hasTokenizer ? step.token : ` ${step.id}`, id: step.id, probability, top });
    options.onProgress?.(++done, maxNewTokens, "tokens written");
    await breathe();
    options.signal?.throwIfAborted();
  }
  return { text, trace };
}

function probabilityOf(logits: ArrayLike<number>, id: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]!);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  return Math.exp(logits[id]! - max) / sum;
}

/** Files in memory → a model. */
async function fromFiles(name: string, files: Map<string, Uint8Array>, options: CallOptions): Promise<Model> {
  const text = (file: string): string | undefined => {
    const bytes = files.get(file);
    return bytes && new TextDecoder().decode(bytes);
  };
  const onProgress = (done: number, total: number): void => options.onProgress?.(done, total, `laying out ${name}`);
  const gguf = [...files.keys()].find((f) => f.endsWith(".gguf"));
  if (gguf) return buildModel(ggufModel(openGguf(memorySource(files.get(gguf)!, gguf)), gguf), { onProgress });
  const config = text("config.json");
  if (config === undefined) {
    throw new FileError({
      where: "explore",
      argument: name,
      got: "has no config.json",
      expected: "a model folder with config.json, model.safetensors and tokenizer.json, or a trace file",
      fix: "drop the folder that save_pretrained() wrote",
    });
  }
  const weights = [...files.keys()].filter((f) => f.endsWith(".safetensors")).sort();
  if (weights.length === 0) {
    throw new FileError({
      where: "explore",
      argument: name,
      got: "has no .safetensors weights",
      fix: 'save it from Python: model.save_pretrained("FOLDER", safe_serialization=True)',
    });
  }
  const tokenizer = text("tokenizer.json");
  const tokenizerConfig = text("tokenizer_config.json");
  const parts = weights.map((f) => openWeights(memorySource(files.get(f)!, f)));
  return buildModel(
    {
      name,
      config: parseJson(config, "config.json"),
      configFile: "config.json",
      weights: parts.length === 1 ? parts[0]! : joinWeights(parts),
      ...(tokenizer && { tokenizer: readTokenizer({ tokenizer, config: tokenizerConfig }) }),
    },
    { onProgress },
  );
}

/** A folder dropped on the page. */
export async function filesSource(dropped: DroppedFile[], options: CallOptions): Promise<Source> {
  const root = common(dropped.map((f) => f.path));
  const name = root.replace(/\/$/, "") || dropped[0]!.path;
  if (dropped.some((f) => f.path.endsWith(".onnx"))) {
    const { onnxSource } = await import("./onnx-source.js");
    const card: ModelCard = { id: `files:${name}`, name, says: "", source: "files", runs: true };
    const all = new Map(dropped.map((f) => [f.path.slice(root.length), new Uint8Array(f.bytes)]));
    const source = onnxSource(card, globalThis.location?.href ?? "", async () => all);
    await source.open(options);
    return source;
  }
  const files = new Map(dropped.map((f) => [f.path.slice(root.length), new Uint8Array(f.bytes)]));
  const model = await fromFiles(name, files, options);
  const card: ModelCard = { id: `files:${name}`, name, says: "", source: "files", runs: true };
  const source = modelSource(card, async () => model);
  await source.open(options);
  fillShape(card, model);
  return source;
}

const common = (paths: string[]): string => {
  const first = paths[0]!.split("/")[0]!;
  return paths.every((p) => p.startsWith(`${first}/`)) ? `${first}/` : "";
};

/** Layers and heads as the config says, for the list of models. */
function fillShape(card: ModelCard, model: { config: Record<string, unknown> } | Record<string, unknown>): void {
  const config = ("config" in model ? model.config : model) as Record<string, unknown>;
  const number = (...names: string[]): number | undefined =>
    names.map((n) => config[n]).find((x): x is number => typeof x === "number");
  const layers = number("num_hidden_layers", "n_layer", "n_layers", "num_layers");
  const heads = number("num_attention_heads", "n_head", "n_heads", "num_heads");
  if (layers !== undefined) card.layers = layers;
  if (heads !== undefined) card.heads = heads;
}

/** What the explorer's own server hands over. Nothing where there is no server (a page opened from disk). */
export async function servedSources(base: string, server: Early): Promise<Source[]> {
  const served = await server.start;
  return Promise.all((served?.models ?? []).map((m) => servedSource(m, base, server)));
}

async function servedSource(
  { id, name, kind, files, ...m }: Served["models"][0],
  base: string,
  server: Early,
): Promise<Source> {
  const at = new URL(m.base, base);
  if (kind === "trace") return servedTrace(id, name, new URL(encodeURIComponent(files[0]!.path), at));
  if (kind === "onnx") {
    const { onnxSource } = await import("./onnx-source.js");
    const card: ModelCard = { id, name, says: "an ONNX graph", source: "server", runs: true };
    return onnxSource(card, base, (options) => fetchAll(server, at, files, options));
  }
  const card: ModelCard = { id, name, says: "", source: kind === "bundled" ? "bundled" : "server", runs: true };
  const config = await server
    .file(at, "config.json")
    .then((r) => (r.ok ? r.json() : undefined))
    .catch(() => undefined);
  if (config) fillShape(card, config as Record<string, unknown>);
  return modelSource(card, async (options) => fromFiles(name, await fetchAll(server, at, files, options), options));
}

async function servedTrace(id: string, name: string, at: URL): Promise<Source> {
  const card: ModelCard = { id, name, says: "a recorded trace", source: "trace", runs: false };
  let inner: Source | undefined;
  return {
    card,
    async open() {
      if (inner) return;
      const bytes = new Uint8Array(await (await fetch(at)).arrayBuffer());
      inner = traceSource(readTrace(bytes, name), name);
      Object.assign(card, inner.card, { id: card.id });
    },
    run: (text, edits) => inner!.run(text, edits),
  };
}

const needed =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|[^/]*\.safetensors|[^/]*\.gguf|[^/]*\.onnx(_data)?|[^/]*\.onnx\.data)$/;

/** Fetches a model's files with progress over all their bytes. */
async function fetchAll(
  server: Early,
  base: URL,
  listed: { path: string; size: number }[],
  options: CallOptions,
): Promise<Map<string, Uint8Array>> {
  const files = listed.filter((f) => needed.test(f.path));
  const total = files.reduce((n, f) => n + f.size, 0);
  let done = 0;
  const out = new Map<string, Uint8Array>();
  const fetchOne = async ({ path, size }: { path: string; size: number }): Promise<void> => {
    const response = await server.file(base, path, options.signal);
    if (!response.ok || !response.body) {
      throw new FileError({
        where: "explore",
        argument: path,
        got: `cannot be fetched (${response.status})`,
        fix: "see whether the server still runs",
      });
    }
    const bytes = new Uint8Array(size);
    out.set(path, bytes);
    let filled = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done: end, value } = await reader.read();
      if (end) break;
      if (filled + value.length > size) {
        throw new FileError({
          where: "explore",
          argument: path,
          got: "changed while it was read",
          fix: "load the page again",
        });
      }
      bytes.set(value, filled);
      filled += value.length;
      done += value.length;
      options.onProgress?.(done, total, "loading the model");
    }
  };
  await Promise.all(files.map(fetchOne));
  return out;
}

export { logitsAt, type Trace };
