// The public surface of "qkv/models".
export type { ConfigJson } from "./config.js"; // config.json as it is
export type { Edit } from "./edit.js"; // what if a head were otherwise?
export type { EmbedOptions, Pooling } from "./embed.js"; // token states → one vector a text
export type { GenerateOptions, Step } from "./generate.js"; // a text continued, a token a step
export type { IdTable, ModelInputs } from "./inputs.js"; // token ids with all that is said of them
export type { BuildOptions } from "./load/build.js"; // how weights are held
export { type Downloaded, type DownloadOptions, downloadModel } from "./load/hub/download.js"; // the hub's files, in Python's cache
export { type LoadModelOptions, loadModel, type ModelBytes } from "./load/load-model.js"; // a folder, a file, a hub id, "bundled" or bytes → a model
export { readWeights, type WeightInfo, type Weights } from "./load/weights.js"; // safetensors or GGUF, one tensor at a time
export { type ForwardOptions, Model, type ModelParts, type Run, type TraceOptions } from "./model.js"; // what every model can do
export type { Batch, Outputs, Pass, Tokens } from "./pass.js"; // what an architecture is given and gives
export { supported as supportedArchitectures } from "./registry.js"; // every model_type that can be loaded
export type { SamplingOptions } from "./sample.js"; // how the next token is chosen
