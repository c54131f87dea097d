/**
 * @file Llama and its kin: Mistral, Qwen2, Qwen3, SmolLM2, Starcoder2.
 *
 *     ids ─▶ embed ─▶ ┌ x + attention(norm(x)) ┐ ┌ x + down(silu(gate(norm(x))) ⊙ up(norm(x))) ┐ × L ─▶ norm ─▶ lm_head
 *                     └ q, k turned by position┘ └                                              ┘
 *
 * Grouped heads: H query heads share Hk key heads. Touvron et al. 2023 (arXiv:2302.13971), Ainslie et al. 2023
 * (arXiv:2305.13245), Jiang et al. 2023 (arXiv:2310.06825: a window), Qwen3 (arXiv:2505.09388: norms on q and k),
 * Lozhkov et al. 2024 (arXiv:2402.19173, Starcoder2: LayerNorm, and down(gelu(up(norm(x)))) without a gate).
 */
import { viewHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { Embedding } from "../nn/embedding.js";
import { FeedForward } from "../nn/feed-forward.js";
import { normal } from "../nn/initialise.js";
import { Linear } from "../nn/linear.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import { LayerNorm, RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { lmLogits, type OutputHead, outputHead } from "./head.js";
import { Model, type ModelParts } from "./model.js";
import { type Batch, countedPositions, type Outputs, type Pass } from "./pass.js";
import { Angles, type RopeSettings, ropeSettings, stretchedLength, turnsByLength } from "./rope.js";
import { selfAttend } from "./self-attention.js";
import type { Sight } from "./sight.js";

/** What the kin differ in. */
interface Shape {
  d: number;
  heads: number;
  keyHeads: number;
  headDim: number;
  epsilon: number;
  bias: { qkv: boolean; output: boolean };
  headNorms: boolean;
  /** Starcoder2: LayerNorm for RMSNorm, a feed-forward without a gate. */
  plain: boolean;
  window: (layer: number) => number | undefined;
}

export class Llama extends Model {
  readonly family = "decoder";
  readonly #embed: Embedding;
  readonly #layers: ModuleList<Layer>;
  readonly #norm: Norm;
  readonly #head: OutputHead;
  readonly #rope: RopeSettings;

  constructor(config: Config, parts: ModelParts) {
    super(config, parts);
    const shape = shapeOf(config);
    const { d } = shape;
    const vocabulary = config.size("vocab_size");
    const layers = Array.from({ length: config.size("num_hidden_layers") }, (_, i) => new Layer(config, shape, i));
    this.#embed = new Embedding({ count: vocabulary, width: d, initialiser: normal(1 / Math.sqrt(d)) });
    this.#layers = new ModuleList(layers);
    this.#norm = normOf(shape);
    this.#head = outputHead(config, parts, this.#embed, {
      body: "model",
      embedding: "embed_tokens",
      tied: shape.plain,
    });
    this.#rope = ropeSettings(config, shape.headDim, parts.ropeDivisors);
  }

  /** How q and k are turned by position. */
  get rotary(): RopeSettings {
    return this.#rope;
  }

  override get contextLength(): number | undefined {
    const positions = super.contextLength;
    return positions === undefined ? undefined : stretchedLength(this.#rope, positions);
  }

  override get readsInParts(): boolean {
    return !turnsByLength(this.#rope);
  }

  parts(): Record<string, Part> {
    const body = { embed_tokens: this.#embed, layers: this.#layers, norm: this.#norm };
    return { ...this.prefixed("model", body), lm_head: this.#head.part };
  }

  compute({ tokens }: Batch, pass: Pass): Outputs {
    const positions = tokens.positions ?? countedPositions(tokens, this.past(pass, tokens));
    const angles = new Angles(positions, this.#rope);
    const sight = this.sight(tokens, pass, true);
    let x = this.#embed.forward({ data: tokens.ids, shape: [tokens.batch, tokens.length] }); // [B, L, d]
    pass.hidden?.(x);
    for (const [i, layer] of this.#layers.items.entries()) {
      x = layer.forward(x, angles, sight, pass);
      if (i + 1 < this.#layers.length) pass.hidden?.(x);
    }
    pass.stream?.(x);
    x = this.#norm.forward(x);
    pass.hidden?.(x);
    return { lastHiddenState: x, logits: lmLogits(x, this.#head, pass) };
  }
}

class Layer extends Module {
  readonly #attention: Attention;
  readonly #mlp: FeedForward;
  readonly #before: Norm;
  readonly #after: Norm;

  constructor(config: Config, shape: Shape, index: number) {
    super();
    this.#attention = new Attention(shape, index);
    this.#mlp = new FeedForward({
      dModel: shape.d,
      feedForward: config.size("intermediate_size"),
      activation: config.activation("hidden_act", shape.plain ? "gelu_pytorch_tanh" : "silu"),
      gated: !shape.plain,
      bias: config.flag(shape.plain ? "use_bias" : "mlp_bias", shape.plain),
      names: shape.plain ? { up: "c_fc", down: "c_proj" } : { gate: "gate_proj", up: "up_proj", down: "down_proj" },
    });
    this.#before = normOf(shape);
    this.#after = normOf(shape);
  }

  parts(): Record<string, Part> {
    return {
      self_attn: this.#attention,
      mlp: this.#mlp,
      input_layernorm: this.#before,
      post_attention_layernorm: this.#after,
    };
  }

  forward(x: Tensor, angles: Angles, sight: Sight, pass: Pass): Tensor {
    const y = this.#attention.forward(this.#before.forward(x), x, angles, sight, pass);
    return this.#mlp.forward(this.#after.forward(y), y);
  }
}

class Attention extends Module {
  readonly #shape: Shape;
  readonly #layer: number;
  readonly #window: number | undefined;
  readonly #q: Linear;
  readonly #k: Linear;
  readonly #v: Linear;
  readonly #output: Linear;
  readonly #normQ: RMSNorm | undefined;
  readonly #normK: RMSNorm | undefined;

  constructor(shape: Shape, layer: number) {
    super();
    const { d, heads, keyHeads, headDim, epsilon, bias, headNorms } = shape;
    this.#shape = shape;
    this.#layer = layer;
    this.#window = shape.window(layer);
    this.#q = new Linear({ inputs: d, outputs: heads * headDim, bias: bias.qkv });
    this.#k = new Linear({ inputs: d, outputs: keyHeads * headDim, bias: bias.qkv });
    this.#v = new Linear({ inputs: d, outputs: keyHeads * headDim, bias: bias.qkv });
    this.#output = new Linear({ inputs: heads * headDim, outputs: d, bias: bias.output });
    this.#normQ = headNorms ? new RMSNorm({ width: headDim, epsilon }) : undefined;
    this.#normK = headNorms ? new RMSNorm({ width: headDim, epsilon }) : undefined;
  }

  parts(): Record<string, Part> {
    return {
      q_proj: this.#q,
      k_proj: this.#k,
      v_proj: this.#v,
      o_proj: this.#output,
      q_norm: this.#normQ,
      k_norm: this.#normK,
    };
  }

  forward(x: Tensor, residual: Tensor, angles: Angles, sight: Sight, pass: Pass): Tensor {
    const { heads, keyHeads, headDim } = this.#shape;
    const q = angles.turn(perHead(this.#normQ, this.#q.forward(x), headDim), heads); // [B, L, H·D]
    const k = angles.turn(perHead(this.#normK, this.#k.forward(x), headDim), keyHeads); // [B, L, Hk·D]
    const y = selfAttend(
      { kind: "self", layer: this.#layer },
      {
        q: viewHeads(q, heads),
        k: viewHeads(k, keyHeads),
        v: viewHeads(this.#v.forward(x), keyHeads),
        sight,
        scale: 1 / Math.sqrt(headDim),
        window: this.#window,
      },
      pass,
    );
    return this.#output.forward(y, { residual });
  }
}

type Norm = RMSNorm | LayerNorm;

function normOf({ plain, d, epsilon }: Shape): Norm {
  return plain ? new LayerNorm({ width: d, epsilon }) : new RMSNorm({ width: d, epsilon });
}

/** A norm over each head by itself. */
function perHead(norm: RMSNorm | undefined, x: Tensor, headDim: number): Tensor {
  if (!norm) return x;
  return ops().reshape(norm.forward(ops().reshape(x, [x.size / headDim, headDim])), x.shape);
}

function shapeOf(config: Config): Shape {
  const d = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const keyHeads = config.size("num_key_value_heads", heads);
  const type = config.json["model_type"];
  const headDim = config.size("head_dim", type === "qwen3" ? 128 : d / heads);
  if (heads % keyHeads !== 0) {
    config.refuse("num_key_value_heads", `is ${keyHeads}`, `a number that divides num_attention_heads ${heads}`);
  }
  const plain = type === "starcoder2";
  const attentionBias = config.flag(plain ? "use_bias" : "attention_bias", plain);
  return {
    d,
    heads,
    keyHeads,
    headDim,
    epsilon: plain ? config.number("norm_epsilon", 1e-5) : config.number("rms_norm_eps", 1e-6),
    bias: { qkv: type === "qwen2" || attentionBias, output: attentionBias },
    headNorms: type === "qwen3",
    plain,
    window: windows(config),
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
