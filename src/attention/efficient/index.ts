// The public surface of "qkv/attention/efficient".
export { type BigBirdOptions, bigBird } from "./big-bird.js"; // window, global and random blocks
export type { BoundAttention } from "./bound.js"; // a mechanism with its options, as the attention of a layer
export { type Cost, type CostShape, Counter } from "./cost.js"; // what a call costs, counted by the code that runs
export { drawProjection, type FeatureMap, type ProjectionOptions, softmaxFeatures } from "./features.js"; // random features of the softmax kernel
export { type FixedOptions, fixed } from "./fixed.js"; // own block and block summaries, Sparse Transformer
export { drawRotations, type Hashing, lshBuckets } from "./hashing.js"; // hashing by random rotations
export {
  type LinearAttention,
  type LinearAttentionOptions,
  type LinearAttentionResult,
  linearAttention,
} from "./linear-attention.js"; // linear, gated, delta, gated delta
export { type LinformerOptions, linformer } from "./linformer.js"; // keys and values of all positions mixed into r
export { type LongformerOptions, longformer } from "./longformer.js"; // window, dilation and global tokens
export type { Mechanism } from "./mechanism.js"; // the common shape of all of these
export type { CommonOptions, Table, Window } from "./operands.js"; // what every mechanism takes
export { type PerformerOptions, performer } from "./performer.js"; // FAVOR+
export { type ReformerOptions, reformer } from "./reformer.js"; // locality-sensitive hashing
export { type SlidingWindowOptions, slidingWindow } from "./sliding-window.js"; // near keys
export { type StreamingOptions, type StreamingRotary, streaming } from "./streaming.js"; // sinks and a rolling window
export { type StridedOptions, strided } from "./strided.js"; // near keys and every l-th, Sparse Transformer
export { type TopKBlocksOptions, topKBlocks } from "./top-k-blocks.js"; // the blocks that matter, MoBA
export { type CompareOptions, type Comparison, compare, comparing, type Measurement } from "./compare.js"; // which of them pays, measured
export { picture } from "./picture.js"; // a mechanism's mask as lines of ■ and ·
