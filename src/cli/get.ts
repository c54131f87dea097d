/** @file `qkv get`: a model from the hub into the cache that Python shares. */
import { Command } from "commander";
import { downloadModel } from "../models/index.js";
import { downloadBar } from "./shared/model.js";

export function command(): Command {
  return new Command()
    .argument("<model>", "org/name, or org/name@revision")
    .option("--revision <name>", "a branch, tag or commit (default main)")
    .option("--file <name...>", "only these files, for instance a .gguf")
    .option("--cache-dir <folder>", "default HF_HUB_CACHE, else ~/.cache/huggingface/hub")
    .option("--offline", "use what is in the cache and ask nobody")
    .option("--json", "say where the files are as JSON")
    .addHelpText(
      "after",
      `
Reads HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE as Python's huggingface_hub does.
A download that broke off goes on where it stopped; every file is held against its checksum before it is used.

Example:
  qkv get sentence-transformers/all-MiniLM-L6-v2`,
    )
    .action(run);
}

interface Options {
  revision?: string;
  file?: string[];
  cacheDir?: string;
  offline?: boolean;
  json?: boolean;
}

async function run(model: string, { revision, file, cacheDir, offline, json }: Options): Promise<void> {
  const bar = downloadBar();
  try {
    const done = await downloadModel(model, { revision, files: file, cacheDir, offline, onProgress: bar.update });
    bar.stop();
    if (json) console.log(JSON.stringify(done));
    else console.log(`${done.id} at ${done.commit.slice(0, 12)}, ${done.files.length} files: ${done.folder}`);
  } finally {
    bar.stop();
  }
}
