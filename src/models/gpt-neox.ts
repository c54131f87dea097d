/**
 * @file GPT-NeoX and Pythia: attention and feed-forward side by side.
 *
 *     ids ─▶ embed_in ─▶ ┌ x + attention(norm(x)) + dense_4h_to_h(gelu(dense_h_to_4h(norm'(x)))) ┐ × L ─▶ norm ─▶ embed_out
 *                        └ a quarter of each head turned by position                             ┘
 *
 * One matrix makes q, k and v, head after head: [q₀ k₀ v₀ q₁ k₁ v₁ …]. Black et al. 2022 (arXiv:2204.06745), Biderman et al.
 * 2023 (arXiv:2304.01373); `use_parallel_residual: false` has them one after the other.
 */
import { ops } from "../kernels/current.js";
import { FeedForward } from "../nn/feed-forward.js";
import { Linear } from "../nn/linear.js";
import { Module, type Part } from "../nn/module.js";
import { LayerNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { type DecoderLayer, type Step, TokenDecoder } from "./decoder.js";
import type { ModelParts } from "./model.js";
import { type RopeSettings, ropeSettings, turningPart } from "./rope.js";
import { headsOf, rotaryAttend, type RotaryHeads } from "./rotary-attention.js";

export class GptNeox extends TokenDecoder {
  constructor(config: Config, parts: ModelParts) {
    const heads = headsOf(config);
    const dim = turningPart(config, heads.headDim, config.number("rotary_pct", 0.25));
    const base = config.number("rotary_emb_base", 10000);
    const rope = ropeSettings(config.within({ rope_theta: base, ...config.json }), dim);
    super(config, parts, {
      d: heads.d,
      layer: (index) => new Layer(config, { ...heads, rope }, index),
      norm: normOf(config, heads.d),
      names: { body: "gpt_neox", embedding: "embed_in", norm: "final_layer_norm", head: "embed_out" },
    });
  }
}

class Layer extends Module implements DecoderLayer {
  readonly rope: RopeSettings;
  readonly #attention: Attention;
  readonly #mlp: FeedForward;
  readonly before: LayerNorm;
  readonly #beforeMlp: LayerNorm;
  readonly #isParallel: boolean;

  constructor(config: Config, shape: RotaryHeads, index: number) {
    super();
    this.rope = shape.rope;
    this.#attention = new Attention(shape, index, config.flag("attention_bias", true));
    this.#mlp = new FeedForward({
      dModel: shape.d,
      feedForward: config.size("intermediate_size"),
      activation: config.activation("hidden_act", "gelu"),
      names: { up: "dense_h_to_4h", down: "dense_4h_to_h" },
    });
    this.before = normOf(config, shape.d);
    this.#beforeMlp = normOf(config, shape.d);
    this.#isParallel = config.flag("use_parallel_residual", true);
  }

  parts(): Record<string, Part> {
    return {
      input_layernorm: this.before,
      post_attention_layernorm: this.#beforeMlp,
      attention: this.#attention,
      mlp: this.#mlp,
    };
  }

  forward(x: Tensor, step: Step): Tensor {
    const y = this.#attention.forward(this.before.forward(x), step, x);
    return this.#mlp.forward(this.#beforeMlp.forward(this.#isParallel ? x : y), y);
  }
}

class Attention extends Module {
  readonly #shape: RotaryHeads;
  readonly #layer: number;
  readonly #qkv: Linear;
  readonly #output: Linear;

  constructor(shape: RotaryHeads, layer: number, bias: boolean) {
    super();
    const { d } = shape;
    this.#shape = shape;
    this.#layer = layer;
    this.#qkv = new Linear({ inputs: d, outputs: 3 * d, bias });
    this.#output = new Linear({ inputs: d, outputs: d, bias });
  }

  parts(): Record<string, Part> {
    return { query_key_value: this.#qkv, dense: this.#output };
  }

  forward(x: Tensor, step: Step, residual: Tensor): Tensor {
    const { headDim } = this.#shape;
    const rows = ops().reshape(this.#qkv.forward(x), [x.size / headDim, 3 * headDim]); // [B·L·H, q k v]
    const part = (n: number): Tensor => ops().reshape(ops().slice(rows, 1, n * headDim, (n + 1) * headDim), x.shape); // [B, L, H·D]
    const y = rotaryAttend(this.#layer, { q: part(0), k: part(1), v: part(2) }, this.#shape, step);
    return this.#output.forward(y, { residual });
  }
}

function normOf(config: Config, width: number): LayerNorm {
  return new LayerNorm({ width, epsilon: config.number("layer_norm_eps", 1e-5) });
}
