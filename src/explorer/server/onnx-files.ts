/** @file What belongs to an ONNX graph on disk: its file, outside weights, the tokenizer beside it or one folder up; and its runtime. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

/** The graph a path means: the file itself, or of a folder without other weights its (onnx/)model.onnx. */
export function onnxFile(path: string): string | undefined {
  if (statSync(path).isFile()) return path.endsWith(".onnx") ? path : undefined;
  const has = (pattern: RegExp, folder: string): string | undefined =>
    existsSync(folder) && statSync(folder).isDirectory()
      ? readdirSync(folder).sort((a, b) => a.length - b.length).find((f) => pattern.test(f))
      : undefined; // biome-ignore format: one question
  if (has(/\.(safetensors|gguf)$/, path)) return undefined;
  for (const folder of [path, join(path, "onnx")]) {
    const found = has(/\.onnx$/, folder);
    if (found) return join(folder, found);
  }
  return undefined;
}

/** The files of a graph; a name stands once, the nearer one first. */
export async function onnxFiles(graph: string): Promise<string[]> {
  const folder = dirname(graph);
  const beside = readdirSync(folder).filter((f) => /onnx_data$|\.onnx\.data$/.test(f)).map((f) => join(folder, f)); // biome-ignore format: one list
  const words = ["tokenizer.json", "tokenizer_config.json", "config.json"].flatMap(
    (f) => [join(folder, f), join(dirname(folder), f)].find(existsSync) ?? [],
  );
  // A decoder is read with its encoder's file: the names that optimum and transformers.js give them.
  const kind = /^decoder(?:_with_past)?(?:_model)?(?:_merged)?(.*\.onnx)$/.exec(basename(graph))?.[1];
  const encoder = kind === undefined ? [] : [`encoder_model${kind}`, `encoder${kind}`].map((f) => join(folder, f)).filter(existsSync); // biome-ignore format: one list
  return [graph, ...encoder, ...beside, ...words];
}

/** Where onnxruntime-web lies; undefined when it is not installed. */
export function runtimeFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
  } catch {
    return undefined;
  }
}
