/**
 * @file What a picture is made from: a trace file, an ONNX graph, or a model that reads a text now.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { OptionError } from "../../tensor/index.js";
import { readTrace, type Trace } from "../../trace/index.js";

export interface ReadOptions {
  /** The text an encoder–decoder is to have written. */
  target?: string | undefined;
  hiddenStates?: boolean | undefined;
  values?: boolean | undefined;
}

/** Whether a path is a file whose first bytes are a safetensors header with a trace in it. */
function isTraceFile(path: string): boolean {
  if (!path.endsWith(".safetensors") || !existsSync(path) || !statSync(path).isFile()) return false;
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(4096);
    const n = readSync(file, start, 0, start.length, 0);
    return start.toString("utf8", 0, n).includes('"qkv"');
  } finally {
    closeSync(file);
  }
}

/** The trace of a model on a text, or of a trace file, which needs no text. */
export async function openTrace(model: string, text: string | undefined, options: ReadOptions = {}): Promise<Trace> {
  if (isTraceFile(model)) return readTrace(readFileSync(model), basename(model));
  if (text === undefined) {
    throw new OptionError({
      where: "qkv",
      argument: "TEXT",
      got: "is missing",
      expected: `a text for ${model} to read`,
      fix: `qkv view ${model} "the cat sat on the mat"`,
    });
  }
  if (model.endsWith(".onnx")) {
    const { readTextWithOnnx } = await import("../../onnx/index.js");
    return (await readTextWithOnnx(model, text, options)).trace;
  }
  const { loadModel } = await import("../../models/index.js");
  const loaded = await loadModel(model);
  const run = loaded.read(text, { ...(options.target !== undefined && { target: options.target }), trace: options });
  return run.trace;
}
