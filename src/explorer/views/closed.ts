/** @file Why the inside of what is open is closed to the page, in words; undefined where it is a model. */
import type { ModelCard } from "../engine/protocol.js";

export function closed({ graph, runs, source, name }: ModelCard): string | undefined {
  if (source === "synthetic") return "These heads are made by plan; there is no model behind them.";
  if (graph)
    return `${name} is an ONNX graph: it can be run, but the page knows its attentions only, not its layers and weights.`;
  return runs ? undefined : `${name} is a recording: the numbers of one reading, without the model.`;
}

export const openModel = "Open the model’s own folder (config.json and safetensors) or GGUF file.";
