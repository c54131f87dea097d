// The public surface of "qkv/onnx".
export {
  type AttentionInfo,
  OnnxModel,
  openOnnx,
  type OpenOptions,
  type OutputTensor,
  type PortInfo,
  type RunOptions,
} from "./run/open.js"; // any ONNX Transformer, with its attention
export type { Feed } from "./run/feed.js"; // what a graph input is fed with
