/**
 * @file The Transformer's encoder block and a stack of them, with torch's weight names.
 *
 *     post-norm (2017)               pre-norm (GPT-2 and after)
 *     x = norm1(x + attention(x))    x = x + attention(norm1(x))
 *     x = norm2(x + ff(x))           x = x + ff(norm2(x))
 *
 * Vaswani et al. 2017 (arXiv:1706.03762) §3.1; Xiong et al. 2020 (arXiv:2002.04745) for where the norm stands. A causal
 * encoder block is what GPT calls its block.
 */
import type { AttentionOptions } from "../attention/index.js";
import type { Activation } from "../kernels/kernel.js";
import { asTensor, type Tensor, type TensorLike } from "../tensor/index.js";
import { FeedForward } from "./feed-forward.js";
import type { Initialiser } from "./initialise.js";
import { Module, ModuleList, type Part } from "./module.js";
import { type AttentionFunction, MultiHeadAttention } from "./multi-head-attention.js";
import { LayerNorm } from "./norms.js";

export interface BlockOptions {
  dModel: number;
  heads: number;
  /** Width of the inner layer of the feed-forward. */
  feedForward: number;
  /** Default "relu", torch's. */
  activation?: Activation;
  /** Norm before each part and none after the sum; default false, as in the first Transformer. */
  normFirst?: boolean;
  /** Biases of projections, feed-forward and norms; default true. */
  bias?: boolean;
  /** Added to the variance in the norms; default 1e-5, torch's. */
  epsilon?: number;
  /** What attends; default exact `attention`. */
  attention?: AttentionFunction;
  initialiser?: Initialiser;
}

export class EncoderBlock extends Module {
  readonly selfAttention: MultiHeadAttention;
  readonly feedForward: FeedForward;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly normFirst: boolean;

  constructor(options: BlockOptions) {
    super();
    const { dModel, bias = true, epsilon = 1e-5 } = options;
    this.selfAttention = new MultiHeadAttention(options);
    this.feedForward = new FeedForward(options);
    this.norm1 = new LayerNorm({ width: dModel, epsilon, bias });
    this.norm2 = new LayerNorm({ width: dModel, epsilon, bias });
    this.normFirst = options.normFirst ?? false;
  }

  parts(): Record<string, Part> {
    const { selfAttention, feedForward, norm1, norm2 } = this;
    return { self_attn: selfAttention, ...feedForward.parts(), norm1, norm2 };
  }

  /** @param x [B, L, dModel]   @param options all of `attention()`   @returns [B, L, dModel] */
  forward(x: Tensor | TensorLike, options: AttentionOptions = {}): Tensor {
    let h = asTensor(x, "EncoderBlock", "x");
    const { selfAttention, feedForward, norm1, norm2 } = this;
    const attend = (y: Tensor): Tensor => selfAttention.forward(y, y, y, { ...options, residual: h });
    if (this.normFirst) {
      h = attend(norm1.forward(h));
      return feedForward.forward(norm2.forward(h), h);
    }
    h = norm1.forward(attend(h));
    return norm2.forward(feedForward.forward(h, h));
  }
}

export interface StackOptions extends BlockOptions {
  layers: number;
  /** A norm after the last block, as pre-norm stacks have; default false. */
  finalNorm?: boolean;
}

/** A stack of encoder blocks. */
export class Encoder extends Module {
  readonly layers: ModuleList<EncoderBlock>;
  readonly norm: LayerNorm | undefined;

  constructor(options: StackOptions) {
    super();
    const { dModel, layers, finalNorm = false, epsilon = 1e-5, bias = true } = options;
    this.layers = new ModuleList(Array.from({ length: layers }, () => new EncoderBlock(options)));
    this.norm = finalNorm ? new LayerNorm({ width: dModel, epsilon, bias }) : undefined;
  }

  parts(): Record<string, Part> {
    return { layers: this.layers, norm: this.norm };
  }

  /** @param x [B, L, dModel]   @param options all of `attention()`, for every block   @returns [B, L, dModel] */
  forward(x: Tensor | TensorLike, options: AttentionOptions = {}): Tensor {
    let h = asTensor(x, "Encoder", "x");
    for (const layer of this.layers) h = layer.forward(h, options);
    return this.norm ? this.norm.forward(h) : h;
  }
}
