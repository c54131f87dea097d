/**
 * @file transformers.js with attention: models are edited as they are loaded, and give their maps as Python's do.
 *
 *     import { AutoModel, env } from "@huggingface/transformers";
 *     withAttention(env);
 *     const model = await AutoModel.from_pretrained("Xenova/bert-base-uncased");
 *     const { attentions } = await model(inputs);        // one Tensor [B, H, Tq, Tk] per layer
 *     await gpt2.generate({ ...inputs, output_attentions: true, return_dict_in_generate: true });   // step by step
 *
 * In a browser, files come through `env.fetch`: the answer for an .onnx file is edited on its way. The browser's cache is
 * given another name, so that what was stored without attention is not taken and what is stored with it is not mixed in.
 * In Node, onnxruntime opens files by path: a cache in front of transformers.js' own hands out the path of an edited copy
 * in a folder of its own. Models and caches on disk stay as they are.
 */
import type { AttentionKind } from "../attention/listen.js";
import { exposeAttention, type ExposeOptions, outputNames } from "./edit/expose.js";
import { readModel } from "./proto/read.js";
import { attentionCache, type Cache } from "./node-cache.js";
import { memorySource } from "./wire/source.js";

/** The parts of transformers.js' `env` that are used. */
export interface TransformersEnv {
  fetch?: any;
  useCustomCache?: boolean;
  customCache?: any;
  useFSCache?: boolean;
  cacheDir?: string | null;
  cacheKey?: string;
}

export interface AttentionOptions
  extends Pick<ExposeOptions, "kinds" | "layers" | "heads" | "statistics" | "maps" | "delimiters"> {
  /** Node: where edited copies lie. Default: "qkv-attention" in the system's folder for temporary files. */
  folder?: string | undefined;
  /**
   * transformers.js' class of that name, which is given `attentions` on its results. Found by itself where
   * `import("@huggingface/transformers")` gives the same library; from a CDN, hand it in.
   */
  PreTrainedModel?: { prototype: object } | undefined;
}

/**
 * From now on, models loaded by transformers.js give their attention.
 * @param env of transformers.js, version 3 or 4
 * @returns a function that takes it back for models loaded later
 */
export function withAttention(env: TransformersEnv, options: AttentionOptions = {}): () => void {
  const before = { ...pick(env, ["fetch", "useCustomCache", "customCache", "cacheKey"]) };
  const ready = once(() => giveAttentions(env, options));
  const fetches = env.fetch ?? globalThis.fetch.bind(globalThis);
  if (isNode()) {
    const inner = env.useCustomCache ? (env.customCache as Cache) : undefined;
    env.customCache = attentionCache({ inner, env, options, exposed: (bytes) => namesFor(bytes, options), ready });
    env.useCustomCache = true;
  } else {
    env.fetch = async (input: unknown, init?: unknown): Promise<Response> => {
      const response: Response = await fetches(input, init);
      if (!isModel(String((input as { url?: string })?.url ?? input)) || !response.ok) return response;
      await ready();
      return edited(response, options);
    };
    if (env.cacheKey) env.cacheKey += "-with-attention";
  }
  return () => void Object.assign(env, before);
}

const isNode = (): boolean => typeof process !== "undefined" && process.release?.name === "node";
const isModel = (url: string): boolean => /\.onnx(?:[?#]|$)/.test(url);

async function edited(response: Response, options: AttentionOptions): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const out = exposeAttention(bytes, { ...options, names: namesFor(bytes, options) });
  const headers = new Headers(response.headers);
  headers.set("content-length", String(out.length));
  headers.delete("content-encoding"); // the bytes are decoded by now
  return new Response(out as Uint8Array<ArrayBuffer>, { status: 200, headers });
}

/** generate() collects what is called decoder_attentions: that is what a decoder with a cache is to give. */
export function namesFor(bytes: Uint8Array, _options: AttentionOptions): Partial<Record<AttentionKind, string>> {
  const { outputs } = readModel(memorySource(bytes)).graph;
  return outputs.some((v) => v.name.startsWith("present")) ? { self: outputNames.decoder } : {};
}

type Forward = (this: unknown, inputs: unknown) => Promise<Record<string, unknown>>;
const given = new WeakSet<object>();

/** Results of `forward` get `attentions` … beside the single outputs `attentions.0` …, which stay. */
async function giveAttentions(env: TransformersEnv, { PreTrainedModel }: AttentionOptions): Promise<void> {
  const prototype = (PreTrainedModel ?? (await sameLibrary(env)))?.prototype as { forward?: Forward } | undefined;
  if (!prototype?.forward || given.has(prototype)) return;
  given.add(prototype);
  const { forward } = prototype;
  prototype.forward = async function (inputs) {
    return withLists(await forward.call(this, inputs));
  };
}

/** transformers.js as installed, if `env` is its own. */
async function sameLibrary(env: TransformersEnv): Promise<{ prototype: object } | undefined> {
  // Not written out in the import: a bundler must not take the library in for a page that loads it from elsewhere.
  const name = "@huggingface/transformers";
  const library = await import(/* @vite-ignore */ name).catch(() => undefined);
  return library?.env === env ? library.PreTrainedModel : undefined;
}

/** Lists by kind, in order of layers. They are not enumerable: what goes over a result's parts sees each map once. */
function withLists(result: Record<string, unknown>): Record<string, unknown> {
  const lists = new Map<string, { layer: number; map: unknown }[]>();
  for (const [name, map] of Object.entries(result ?? {})) {
    const [, kind, layer] = /^((?:encoder_|decoder_|cross_)?attentions)\.(\d+)$/.exec(name) ?? [];
    if (kind) lists.set(kind, [...(lists.get(kind) ?? []), { layer: Number(layer), map }]);
  }
  for (const [kind, list] of lists) {
    if (kind in result) continue;
    const value = list.sort((a, b) => a.layer - b.layer).map((x) => x.map);
    Object.defineProperty(result, kind, { value, enumerable: false, configurable: true });
    // A decoder on its own has one stack: Python calls its maps attentions.
    if (kind === "decoder_attentions" && !lists.has("cross_attentions") && !("attentions" in result)) {
      Object.defineProperty(result, "attentions", { value, enumerable: false, configurable: true });
    }
  }
  return result;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((k) => [k, from[k]])) as Pick<T, K>;
}
