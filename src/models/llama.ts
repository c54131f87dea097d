/**
 * @file Llama and its kin: Mistral, Qwen2, Qwen3, SmolLM2, Starcoder2.
 *
 *     ids ─▶ embed ─▶ ┌ x + attention(norm(x)) ┐ ┌ x + down(silu(gate(norm(x))) ⊙ up(norm(x))) ┐ × L ─▶ norm ─▶ lm_head
 *                     └ q, k turned by position┘ └                                              ┘
 *
 * Touvron et al. 2023 (arXiv:2302.13971), Jiang et al. 2023 (arXiv:2310.06825: a window), Qwen3 (arXiv:2505.09388:
 * norms on q and k), Lozhkov et al. 2024 (arXiv:2402.19173, Starcoder2: LayerNorm, and down(gelu(up(norm(x)))) without a gate).
 */
import { FeedForward } from "../nn/feed-forward.js";
import { LayerNorm, RMSNorm } from "../nn/norms.js";
import type { Config } from "./config.js";
import { type Norm, PreNormLayer, TokenDecoder } from "./decoder.js";
import type { ModelParts } from "./model.js";
import { type RopeSettings, ropeSettings, stretchedLength } from "./rope.js";
import { Attention, headsOf, type RotaryHeads } from "./rotary-attention.js";

/** What the kin differ in. */
interface Shape extends RotaryHeads {
  epsilon: number;
  bias: { qkv: boolean; output: boolean };
  headNorms: boolean;
  /** Starcoder2: LayerNorm for RMSNorm, a feed-forward without a gate. */
  plain: boolean;
  windowOf: (layer: number) => number | undefined;
}

export class Llama extends TokenDecoder {
  readonly #rope: RopeSettings;

  constructor(config: Config, parts: ModelParts) {
    const shape = shapeOf(config, parts);
    super(config, parts, {
      d: shape.d,
      layer: (index) => layerOf(config, shape, index),
      norm: normOf(shape),
      tied: shape.plain,
    });
    this.#rope = shape.rope;
  }

  override get contextLength(): number | undefined {
    const positions = super.contextLength;
    return positions === undefined ? undefined : stretchedLength(this.#rope, positions);
  }
}

function layerOf(config: Config, shape: Shape, index: number): PreNormLayer {
  const { d, headDim, epsilon, bias, headNorms, plain, windowOf } = shape;
  const heads = { ...shape, window: windowOf(index) };
  const norm = (): RMSNorm => new RMSNorm({ width: headDim, epsilon });
  return new PreNormLayer(heads, {
    before: normOf(shape),
    attention: new Attention(index, heads, { bias, ...(headNorms && { norms: { q: norm(), k: norm() } }) }),
    after: normOf(shape),
    mlp: new FeedForward({
      dModel: d,
      feedForward: config.size("intermediate_size"),
      activation: config.activation("hidden_act", plain ? "gelu_pytorch_tanh" : "silu"),
      gated: !plain,
      bias: config.flag(plain ? "use_bias" : "mlp_bias", plain),
      names: plain ? { up: "c_fc", down: "c_proj" } : { gate: "gate_proj", up: "up_proj", down: "down_proj" },
    }),
  });
}

function normOf({ plain, d, epsilon }: Shape): Norm {
  return plain ? new LayerNorm({ width: d, epsilon }) : new RMSNorm({ width: d, epsilon });
}

/** Where a config is silent; the others have one a query head. */
const usualKeyHeads: Readonly<Record<string, number>> = { mistral: 8, qwen2: 32, qwen3: 32, starcoder2: 2 };

function shapeOf(config: Config, { ropeDivisors }: ModelParts): Shape {
  const type = config.json["model_type"];
  const heads = headsOf(config, {
    headDim: type === "qwen3" ? 128 : undefined,
    keyHeads: usualKeyHeads[type as string],
  });
  const plain = type === "starcoder2";
  const attentionBias = config.flag(plain ? "use_bias" : "attention_bias", plain);
  return {
    ...heads,
    rope: ropeSettings(config, heads.headDim, ropeDivisors),
    epsilon: plain ? config.number("norm_epsilon", 1e-5) : config.number("rms_norm_eps", 1e-6),
    bias: { qkv: type === "qwen2" || attentionBias, output: attentionBias },
    headNorms: type === "qwen3",
    plain,
    windowOf: windows(config),
  };
}

/** Which layers see only a window: as `layer_types` says, else as the older settings of Mistral and Qwen do. */
function windows(config: Config): (layer: number) => number | undefined {
  const { json } = config;
  const implied = /^(mistral|qwen[23])$/.test(json["model_type"] as string) && json["sliding_window"] === undefined;
  const window = implied ? 4096 : config.maybe("sliding_window");
  const types = json["layer_types"] as string[] | undefined;
  if (window === undefined) return () => undefined;
  if (Array.isArray(types)) return (layer) => (types[layer] === "sliding_attention" ? window : undefined);
  if (json["model_type"] === "mistral" || json["model_type"] === "starcoder2") return () => window;
  const from = config.number("max_window_layers", 28);
  return (layer) => (json["use_sliding_window"] === true && layer >= from ? window : undefined);
}
