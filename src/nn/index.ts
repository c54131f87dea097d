// The public surface of "qkv/nn".
export { Decoder, DecoderBlock, type DecoderCall } from "./decoder-block.js"; // self-attention, attention to memory, feed-forward
export {
  BigBirdSelfAttention,
  type EfficientCall,
  LongformerSelfAttention,
  ReformerSelfAttention,
} from "./efficient.js"; // layers of long-sequence checkpoints
export { Embedding, type EmbeddingOptions } from "./embedding.js"; // ids → rows of a table
export { type BlockOptions, Encoder, EncoderBlock, type StackOptions } from "./encoder-block.js"; // self-attention and feed-forward, pre- or post-norm
export { FeedForward, type FeedForwardOptions } from "./feed-forward.js"; // plain or gated
export {
  type CrossEntropyOptions,
  crossEntropy,
  erf,
  gelu,
  layerNorm,
  logSoftmax,
  relu,
  rmsNorm,
  sigmoid,
  silu,
  softmax,
  tanh,
} from "./functions.js"; // the functions of a layer
export { glorot, type Initialiser, keepVariance, normal, ones, uniform, zeros } from "./initialise.js"; // how a weight starts
export { Linear, type LinearLayerOptions } from "./linear.js"; // y = x·Wᵀ + b
export { type LoadOptions, Module, ModuleList, type Part, type State } from "./module.js"; // named weights and parts
export {
  type AttentionFunction,
  MultiHeadAttention,
  type MultiHeadAttentionCall,
  type MultiHeadAttentionOptions,
} from "./multi-head-attention.js"; // torch's, self and cross
export { LayerNorm, type NormOptions, RMSNorm } from "./norms.js"; // norms over the last axis
export { cloneTensor, Parameter } from "./parameter.js"; // one weight: numbers, or packed for a kernel
export { GRU, LSTM, type RecurrentOptions, type RecurrentResult, RNN } from "./recurrent.js"; // what attention is compared with
export { type Residual, ReversibleBlock } from "./reversible.js"; // inputs from outputs: nothing kept for the way back
