/** @file A model's files in a folder on disk (Node), as Hugging Face's `save_pretrained` writes them. */
import { FileError } from "../../tensor/index.js";
import { endIdsBeside, type ModelFiles, parseJson, poolingBeside, type ReadText, tokenizerBeside } from "./files.js";
import { joinWeights, readWeights, type Weights } from "./weights.js";

/** @throws {FileError} for a folder without config.json or weights */
export async function openFolder(folder: string, name: string = folder): Promise<ModelFiles> {
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const read: ReadText = (file) => readFile(join(folder, file), "utf8").catch(() => undefined);
  const config = await read("config.json");
  if (config === undefined) {
    throw new FileError({
      where: "loadModel",
      argument: folder,
      got: "has no config.json",
      expected: "a folder with config.json and model.safetensors, as save_pretrained() writes it",
      fix: 'give the folder that holds config.json, a .gguf file, a hub id or "bundled"',
    });
  }
  const configFile = join(folder, "config.json");
  return {
    name,
    config: parseJson(config, configFile),
    configFile,
    weights: await folderWeights(folder, read),
    tokenizer: await tokenizerBeside(read, folder),
    pooling: await poolingBeside(read, folder),
    endIds: await endIdsBeside(read, folder),
  };
}

async function folderWeights(folder: string, read: ReadText): Promise<Weights> {
  const { access } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const isThere = (file: string): Promise<boolean> =>
    access(join(folder, file)).then(
      () => true,
      () => false,
    );
  if (await isThere("model.safetensors")) return readWeights(join(folder, "model.safetensors"));
  const index = await read("model.safetensors.index.json");
  if (index === undefined) {
    const pickled = (await isThere("pytorch_model.bin.index.json")) || (await isThere("pytorch_model.bin"));
    throw new FileError({
      where: "loadModel",
      argument: folder,
      got: `has no model.safetensors${pickled ? ", only pickled weights, which are programs and are not run" : ""}`,
      expected: "model.safetensors, or model.safetensors.index.json and its parts",
      fix: 'save it from Python: model.save_pretrained("FOLDER", safe_serialization=True)',
    });
  }
  const files = shardNames(index, join(folder, "model.safetensors.index.json"));
  for (const file of files) {
    if (await isThere(file)) continue;
    throw new FileError({
      where: "loadModel",
      argument: join(folder, file),
      got: "is not there",
      expected: `all ${files.length} parts that model.safetensors.index.json names`,
      fix: "copy it into the folder, or fetch the model anew: qkv get ORG/NAME",
    });
  }
  const parts: Weights[] = [];
  try {
    for (const file of files) parts.push(await readWeights(join(folder, file)));
  } catch (error) {
    for (const part of parts) part.close();
    throw error;
  }
  return joinWeights(parts);
}

/** The files that an index names. A name with a path in it is refused: it could point anywhere. */
export function shardNames(index: string, file: string): string[] {
  const map = parseJson(index, file)["weight_map"] as Record<string, string> | undefined;
  const names = [...new Set(Object.values(map ?? {}))];
  const bad = names.find((n) => typeof n !== "string" || /[\\/]|^\.\.?$/.test(n));
  if (names.length === 0 || bad !== undefined) {
    const got = bad === undefined ? 'has no "weight_map"' : `names ${JSON.stringify(bad)}`;
    throw new FileError({ where: "loadModel", argument: file, got, expected: "names of files in the same folder" });
  }
  return names.sort();
}
