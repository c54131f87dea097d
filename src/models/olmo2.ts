/**
 * @file OLMo 2: norms stand behind attention and feed-forward, and over all heads of q and of k.
 *
 *     ids ─▶ embed ─▶ ┌ x + norm(attention(x))   ┐ ┌ x + norm(down(silu(gate(x)) ⊙ up(x))) ┐ × L ─▶ norm ─▶ lm_head
 *                     └ norm(q), norm(k), turned ┘ └                                     ┘
 *
 * OLMo Team 2024 (arXiv:2501.00656) §2.
 */
import { FeedForward } from "../nn/feed-forward.js";
import { Module, type Part } from "../nn/module.js";
import { RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { add, type DecoderLayer, type Step, TokenDecoder } from "./decoder.js";
import type { ModelParts } from "./model.js";
import { type RopeSettings, ropeSettings } from "./rope.js";
import { Attention, headsOf, type RotaryHeads } from "./rotary-attention.js";

export class Olmo2 extends TokenDecoder {
  constructor(config: Config, parts: ModelParts) {
    const heads = headsOf(config);
    const shape = { ...heads, rope: ropeSettings(config, heads.headDim) };
    const layer = (index: number): Layer => new Layer(config, shape, index);
    super(config, parts, { d: heads.d, layer, norm: normOf(config, heads.d) });
  }
}

class Layer extends Module implements DecoderLayer {
  readonly rope: RopeSettings;
  readonly normsAfter = true;
  readonly #attention: Attention;
  readonly #mlp: FeedForward;
  readonly #afterAttention: RMSNorm;
  readonly #afterMlp: RMSNorm;

  constructor(config: Config, shape: RotaryHeads, index: number) {
    super();
    const { d, heads, keyHeads, headDim } = shape;
    const biased = config.flag("attention_bias", false);
    this.rope = shape.rope;
    this.#attention = new Attention(index, shape, {
      bias: { qkv: biased, output: biased },
      norms: { q: normOf(config, heads * headDim), k: normOf(config, keyHeads * headDim) },
    });
    this.#mlp = new FeedForward({
      dModel: d,
      feedForward: config.size("intermediate_size"),
      activation: config.activation("hidden_act", "silu"),
      gated: true,
      bias: false,
      names: { gate: "gate_proj", up: "up_proj", down: "down_proj" },
    });
    this.#afterAttention = normOf(config, d);
    this.#afterMlp = normOf(config, d);
  }

  parts(): Record<string, Part> {
    return {
      self_attn: this.#attention,
      mlp: this.#mlp,
      post_attention_layernorm: this.#afterAttention,
      post_feedforward_layernorm: this.#afterMlp,
    };
  }

  forward(x: Tensor, step: Step): Tensor {
    const y = add(x, this.#afterAttention.forward(this.#attention.forward(x, step)));
    return add(y, this.#afterMlp.forward(this.#mlp.forward(y)));
  }
}

function normOf(config: Config, width: number): RMSNorm {
  return new RMSNorm({ width, epsilon: config.number("rms_norm_eps", 1e-5) });
}
