/**
 * @file The Transformer's decoder block and a stack of them, with torch's weight names: self-attention, then attention to
 * the encoder's output ("memory"), then the feed-forward, each with its residual and norm (pre or post, as in the encoder).
 * Vaswani et al. 2017 (arXiv:1706.03762) §3.1.
 */
import type { AttentionOptions } from "../attention/index.js";
import { asTensor, type Tensor, type TensorLike } from "../tensor/index.js";
import type { BlockOptions, StackOptions } from "./encoder-block.js";
import { FeedForward } from "./feed-forward.js";
import { Module, ModuleList, type Part } from "./module.js";
import { MultiHeadAttention } from "./multi-head-attention.js";
import { LayerNorm } from "./norms.js";

/** Options of the self-attention, and beside them those of the attention to memory. */
export interface DecoderCall extends AttentionOptions {
  /** Which memory a position may see, broadcast to [B, H, L, Lm]; 1 = may. */
  memoryMask?: AttentionOptions["mask"];
  /** Added to the scores of memory. */
  memoryBias?: AttentionOptions["bias"];
  /** [B, Lm], 1 = a real token of memory. */
  memoryKeyPadding?: AttentionOptions["keyPadding"];
}

export class DecoderBlock extends Module {
  readonly selfAttention: MultiHeadAttention;
  readonly crossAttention: MultiHeadAttention;
  readonly feedForward: FeedForward;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly norm3: LayerNorm;
  readonly normFirst: boolean;

  constructor(options: BlockOptions) {
    super();
    const { dModel, bias = true, epsilon = 1e-5 } = options;
    const norm = (): LayerNorm => new LayerNorm({ width: dModel, epsilon, bias });
    this.selfAttention = new MultiHeadAttention(options);
    const { attention: _ownRules, ...exact } = options; // an efficient mechanism is for the long side, self-attention
    this.crossAttention = new MultiHeadAttention(exact);
    this.feedForward = new FeedForward(options);
    [this.norm1, this.norm2, this.norm3] = [norm(), norm(), norm()];
    this.normFirst = options.normFirst ?? false;
  }

  parts(): Record<string, Part> {
    const { selfAttention, crossAttention, feedForward, norm1, norm2, norm3 } = this;
    return { self_attn: selfAttention, multihead_attn: crossAttention, ...feedForward.parts(), norm1, norm2, norm3 };
  }

  /** @param x [B, L, dModel]   @param memory [B, Lm, dModel]   @returns [B, L, dModel] */
  forward(x: Tensor | TensorLike, memory: Tensor | TensorLike, options: DecoderCall = {}): Tensor {
    const { memoryMask, memoryBias, memoryKeyPadding, ...own } = options;
    const { selfAttention, crossAttention, feedForward, norm1, norm2, norm3 } = this;
    const seen = asTensor(memory, "DecoderBlock", "memory");
    const across: AttentionOptions = {
      ...(memoryMask && { mask: memoryMask }),
      ...(memoryBias && { bias: memoryBias }),
      ...(memoryKeyPadding && { keyPadding: memoryKeyPadding }),
    };
    let h = asTensor(x, "DecoderBlock", "x");
    const attend = (y: Tensor): Tensor => selfAttention.forward(y, y, y, { ...own, residual: h });
    const recall = (y: Tensor): Tensor => crossAttention.forward(y, seen, seen, { ...across, residual: h });
    if (this.normFirst) {
      h = attend(norm1.forward(h));
      h = recall(norm2.forward(h));
      return feedForward.forward(norm3.forward(h), h);
    }
    h = norm1.forward(attend(h));
    h = norm2.forward(recall(h));
    return norm3.forward(feedForward.forward(h, h));
  }
}

/** A stack of decoder blocks. */
export class Decoder extends Module {
  readonly layers: ModuleList<DecoderBlock>;
  readonly norm: LayerNorm | undefined;

  constructor(options: StackOptions) {
    super();
    const { dModel, layers, finalNorm = false, epsilon = 1e-5, bias = true } = options;
    this.layers = new ModuleList(Array.from({ length: layers }, () => new DecoderBlock(options)));
    this.norm = finalNorm ? new LayerNorm({ width: dModel, epsilon, bias }) : undefined;
  }

  parts(): Record<string, Part> {
    return { layers: this.layers, norm: this.norm };
  }

  /** @param x [B, L, dModel]   @param memory [B, Lm, dModel]   @returns [B, L, dModel] */
  forward(x: Tensor | TensorLike, memory: Tensor | TensorLike, options: DecoderCall = {}): Tensor {
    let h = asTensor(x, "Decoder", "x");
    const seen = asTensor(memory, "Decoder", "memory");
    for (const layer of this.layers) h = layer.forward(h, seen, options);
    return this.norm ? this.norm.forward(h) : h;
  }
}
