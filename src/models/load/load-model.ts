/** @file `loadModel`: from whatever a person has to a model that runs. */
import { FileError } from "../../tensor/index.js";
import { readTokenizer, type TokenizerFiles } from "../../text/index.js";
import type { ConfigJson } from "../config.js";
import type { Pooling } from "../embed.js";
import type { Model } from "../model.js";
import { type BuildOptions, buildModel } from "./build.js";
import { bundledFiles } from "./bundled.js";
import { type ModelFiles, parseJson } from "./files.js";
import { openFolder } from "./folder.js";
import { memorySource } from "./source.js";
import { joinWeights, openWeights } from "./weights.js";

export interface LoadModelOptions extends BuildOptions {
  /** Where "bundled" lies, for a page: the address of the folder that holds it. */
  base?: string | URL | undefined;
  /** Used instead of the global one. */
  fetch?: typeof fetch | undefined;
  /** Told of a download from the hub: bytes of a file so far. */
  onDownload?: ((file: string, done: number, total: number | undefined) => void) | undefined;
}

/** Files that are in memory: how a page or a worker hands a model in. */
export interface ModelBytes {
  name?: string | undefined;
  config: string | ConfigJson;
  /** One safetensors file, or all its parts. */
  weights: Uint8Array | readonly Uint8Array[];
  tokenizer?: TokenizerFiles["tokenizer"] | undefined;
  tokenizerConfig?: TokenizerFiles["config"] | undefined;
  pooling?: Pooling | undefined;
}

/**
 * Opens a model.
 * @param source a Hugging Face folder, a .gguf file, a hub id ("org/name", "org/name@revision"), "bundled", or files in memory
 * @throws {FileError} in one line: no config.json, an architecture that is not known (with the nearest), weights that
 *   contradict the config, are missing or too many, a file that lies about itself
 * @example
 * const model = await loadModel("bundled");
 * model.tokenizer.encode("Call me Ishmael.").tokens
 */
export async function loadModel(source: string | ModelBytes, options: LoadModelOptions = {}): Promise<Model> {
  return buildModel(await filesOf(source, options), options);
}

async function filesOf(source: string | ModelBytes, options: LoadModelOptions): Promise<ModelFiles> {
  if (typeof source !== "string") return fromMemory(source);
  if (source === "bundled") return bundledFiles(options);
  if (source === "") {
    const expected = 'a folder, a .gguf file, a hub id or "bundled"';
    throw new FileError({ where: "loadModel", argument: "source", got: "is empty", expected });
  }
  const { stat } = await import("node:fs/promises");
  const there = await stat(source).catch(() => undefined);
  if (there?.isDirectory()) return openFolder(source);
  if (there || /\.gguf$/i.test(source)) return (await import("./gguf/model.js")).ggufFiles(source);
  return (await import("./hub/open.js")).hubFiles(source, options);
}

function fromMemory({ name = "memory", config, weights, tokenizer, tokenizerConfig, pooling }: ModelBytes): ModelFiles {
  const parts = (weights instanceof Uint8Array ? [weights] : weights).map((bytes, i) =>
    openWeights(memorySource(bytes, `weights ${i + 1} of ${name}`)),
  );
  return {
    name,
    config: typeof config === "string" ? parseJson(config, "config.json") : config,
    configFile: "config.json",
    weights: parts.length === 1 ? parts[0]! : joinWeights(parts),
    ...(tokenizer && { tokenizer: readTokenizer({ tokenizer, config: tokenizerConfig }) }),
    pooling,
  };
}
