// The public surface of "qkv/onnx".
export { exposeAttention, type ExposeOptions } from "./edit/expose.js"; // a copy of a model with attention as outputs
export type { Delimiters, Statistic } from "./edit/statistics.js"; // numbers per token instead of maps
export { textFeeds, type TextInput } from "./feeds.js"; // a text as feeds, by the names of inputs
export { inspectOnnx, writeExposed } from "./file.js"; // the same for files of any size (Node)
export { type ReadText, readTextWithOnnx, type ReadTextOptions } from "./read-text.js"; // text → trace, with the tokenizer beside the file (Node)
export type { ExternalFiles } from "./run/external.js"; // weights outside of the file
export type { Feed } from "./run/feed.js"; // what a graph input is fed with
export { OnnxModel, openOnnx, type OpenOptions, type RunOptions } from "./run/open.js"; // any ONNX Transformer, with its attention
export type { AttentionInfo, OutputTensor, PortInfo } from "./run/told.js"; // what a model tells of itself
export { type AttentionOptions, type TransformersEnv, withAttention } from "./with-attention.js"; // transformers.js gives attentions
