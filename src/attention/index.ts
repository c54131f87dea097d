// The public surface of "qkv/attention".
export { alibiSlopes } from "./alibi.js"; // one slope of distance per head
export { type AttendArguments, attend } from "./attend.js"; // how models attend: views in, merged heads out, listeners asked
export { KeyValueCache, type KeyValueCacheOptions } from "./cache.js"; // keys and values of the tokens so far
export { attentionCall, type CallOptions } from "./call.js"; // operands and options → what a kernel computes
export {
  and,
  fromAdditiveMask,
  fromCumulativeLengths,
  fromSlidingWindow,
  fromTrueMeansIgnore,
  not,
  or,
} from "./converters.js"; // other libraries' masks, and masks of masks
export { describeMask, type MaskPicture, maskTensor } from "./describe-mask.js"; // a mask that prints itself
export { type HeadsView, headsOf, mergeHeads, sliceRows, splitHeads, viewHeads } from "./heads.js"; // [B, L, H·D] ⇄ [B, H, L, D]
export { type AttentionKind, type AttentionListener, type Site, withListener } from "./listen.js"; // see and change every attention of a model
export type {
  AttentionOptions,
  BiasView,
  MaskFunction,
  NumberList,
  NumberTable,
  RuleOptions,
  ScoreFunction,
  ScoreOptions,
  WeightsOptions,
} from "./options.js"; // everything that may be said about an attention
export { type BucketOptions, relativeBias, relativeBucket } from "./relative-bias.js"; // T5: a number per bucket of distance
export { type RopeOptions, rope, ropeTables } from "./rope.js"; // positions as rotations
export { type RopeScaling, ropeFrequencies } from "./rope-scaling.js"; // … stretched to longer texts
export { attentionRule } from "./rule.js"; // options → one interval of keys per query
export { attention, attentionGradient, attentionWeights } from "./scaled-dot-product.js"; // softmax(q·kᵀ/√d + mask)·v, its slope, its map
export { onWarning, type WarningHandler } from "./warnings.js"; // where warnings go
