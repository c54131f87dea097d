/** @file The model that comes with the package: read from its folder (Node), or fetched from beside the page. */
import { FileError, UnavailableError } from "../../tensor/index.js";
import { endIdsBeside, type ModelFiles, parseJson, type ReadText, tokenizerBeside } from "./files.js";
import { openFolder } from "./folder.js";
import type { LoadModelOptions } from "./load-model.js";
import { memorySource } from "./source.js";
import { openWeights } from "./weights.js";

/** From this file, in src/models/load or dist, up to the folder that package.json is in. */
const upward = ["../../models/bundled/", "../../../models/bundled/", "../models/bundled/"];

export async function bundledFiles({ base, fetch: fetcher = globalThis.fetch }: LoadModelOptions): Promise<ModelFiles> {
  const isNode = typeof process !== "undefined" && process.versions?.node !== undefined;
  if (base === undefined && isNode) {
    const { existsSync } = await import("node:fs");
    const { fileURLToPath } = await import("node:url");
    for (const up of upward) {
      const folder = new URL(up, import.meta.url);
      if (existsSync(new URL("config.json", folder))) return openFolder(fileURLToPath(folder), "bundled");
    }
    throw new FileError({
      where: "loadModel",
      argument: '"bundled"',
      got: "is not in this installation",
      fix: "install the package again, or train it: npm run train:bundled",
    });
  }
  return fetched(new URL(base ?? upward[0]!, base === undefined ? import.meta.url : undefined), fetcher);
}

async function fetched(folder: URL, fetcher: typeof fetch): Promise<ModelFiles> {
  const get = async (name: string): Promise<Response | undefined> => {
    const response = await fetcher(new URL(name, folder)).catch(() => undefined);
    return response?.ok ? response : undefined;
  };
  const read: ReadText = async (name) => (await get(name))?.text();
  const config = await read("config.json");
  const weights = await get("model.safetensors");
  if (config === undefined || weights === undefined) {
    throw new UnavailableError({
      where: "loadModel",
      argument: '"bundled"',
      got: `cannot be fetched from ${folder}`,
      fix: "serve the package's models/bundled folder and give its address: { base }",
    });
  }
  const where = String(folder);
  return {
    name: "bundled",
    config: parseJson(config, `${where}config.json`),
    configFile: `${where}config.json`,
    weights: openWeights(memorySource(new Uint8Array(await weights.arrayBuffer()), `${where}model.safetensors`)),
    tokenizer: await tokenizerBeside(read, where),
    endIds: await endIdsBeside(read, where),
  };
}
