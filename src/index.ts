// The public surface of "qkv".
export { attention, attentionGradient, attentionWeights } from "./attention/scaled-dot-product.js"; // softmax(q·kᵀ/√d + mask)·v, its slope, its map
export type { AttentionOptions, WeightsOptions } from "./attention/options.js"; // every mask and score there is
export { describeMask, maskTensor } from "./attention/describe-mask.js"; // what a mask amounts to, in a picture
export { mergeHeads, splitHeads } from "./attention/heads.js"; // [B, L, H·D] ⇄ [B, H, L, D]
export { onWarning } from "./attention/warnings.js"; // where warnings go
export { defaultKernel, setDefaultKernel } from "./kernels/index.js"; // who does the arithmetic
export type { Kernel } from "./kernels/index.js"; // what such a maker offers
export {
  type ErrorDetails,
  FileError,
  OptionError,
  QkvError,
  ShapeError,
  Tensor,
  type TensorLike,
  tensor,
  UnavailableError,
  zeros,
} from "./tensor/index.js"; // numbers with a shape, and refusals as data
