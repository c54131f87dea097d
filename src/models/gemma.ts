/**
 * @file Gemma, Gemma 2 and the text model of Gemma 3.
 *
 *     ids ─▶ √d·embed ─▶ ┌ x + norm(attention(norm(x))) ┐ ┌ x + norm(down(gelu(gate(norm(x))) ⊙ up(norm(x)))) ┐ × L ─▶ norm ─▶ c·tanh(·/c)
 *                        └ every nth layer sees all     ┘ └                                                 ┘              (the embedding again)
 *
 * Norms multiply by 1 + w. Gemma (arXiv:2403.08295) has none behind attention and feed-forward and no window. Gemma 2
 * (arXiv:2408.00118) caps scores and logits. Gemma 3 (arXiv:2503.19786) norms q and k in their place, and turns positions
 * of windowed layers by a base of their own.
 */
import { FeedForward } from "../nn/feed-forward.js";
import { Module, type Part } from "../nn/module.js";
import { RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config, ConfigJson } from "./config.js";
import { add, type DecoderLayer, type Step, TokenDecoder } from "./decoder.js";
import type { ModelParts } from "./model.js";
import { type RopeSettings, ropeSettings } from "./rope.js";
import { Attention, headsOf, type RotaryHeads } from "./rotary-attention.js";

type Kind = "gemma" | "gemma2" | "gemma3";

/** What the layers have in common. */
interface Shape extends RotaryHeads {
  kind: Kind;
  inner: number;
  activation: ReturnType<Config["activation"]>;
  epsilon: number;
  bias: boolean;
  /** Of a layer with a window. */
  local: { rope: RopeSettings; window: number | undefined };
  isLocal: (layer: number) => boolean;
}

export class Gemma extends TokenDecoder {
  constructor(config: Config, parts: ModelParts) {
    const shape = shapeOf(config);
    const { d, kind } = shape;
    super(config, parts, {
      d,
      layer: (index) => new Layer(shape, index),
      norm: normOf(shape, d),
      tied: true,
      embeddingScale: Math.fround(Math.sqrt(d)),
      softcap: optional(config, "final_logit_softcapping", kind === "gemma2" ? 30 : undefined),
    });
  }
}

class Layer extends Module implements DecoderLayer {
  readonly rope: RopeSettings;
  readonly window: number | undefined;
  readonly #attention: Attention;
  readonly #mlp: FeedForward;
  readonly before: RMSNorm;
  readonly normsAfter: boolean;
  readonly #after: RMSNorm | undefined;
  readonly #beforeMlp: RMSNorm;
  readonly #afterMlp: RMSNorm | undefined;

  constructor(shape: Shape, index: number) {
    super();
    const { d, headDim, kind, inner, activation, bias, local } = shape;
    const heads = shape.isLocal(index) ? { ...shape, ...local } : shape;
    const norms = kind === "gemma3" ? { q: normOf(shape, headDim), k: normOf(shape, headDim) } : undefined;
    this.rope = heads.rope;
    this.window = heads.window;
    this.#attention = new Attention(index, heads, { bias: { qkv: bias, output: bias }, norms });
    const names = { gate: "gate_proj", up: "up_proj", down: "down_proj" };
    this.#mlp = new FeedForward({ dModel: d, feedForward: inner, activation, gated: true, bias: false, names });
    this.normsAfter = kind !== "gemma";
    this.before = normOf(shape, d);
    this.#after = this.normsAfter ? normOf(shape, d) : undefined;
    this.#beforeMlp = normOf(shape, d);
    this.#afterMlp = this.normsAfter ? normOf(shape, d) : undefined;
  }

  parts(): Record<string, Part> {
    const shared = { self_attn: this.#attention, mlp: this.#mlp, input_layernorm: this.before };
    if (!this.normsAfter) return { ...shared, post_attention_layernorm: this.#beforeMlp };
    return {
      ...shared,
      post_attention_layernorm: this.#after,
      pre_feedforward_layernorm: this.#beforeMlp,
      post_feedforward_layernorm: this.#afterMlp,
    };
  }

  forward(x: Tensor, step: Step): Tensor {
    const mixed = this.#attention.forward(this.before.forward(x), step);
    const y = add(x, this.#after?.forward(mixed) ?? mixed);
    const widened = this.#mlp.forward(this.#beforeMlp.forward(y));
    return add(y, this.#afterMlp?.forward(widened) ?? widened);
  }
}

function normOf({ epsilon }: Shape, width: number): RMSNorm {
  return new RMSNorm({ width, epsilon, plusOne: true });
}

/** A number that null switches off; absent, it is `fallback`. */
function optional(config: Config, name: string, fallback: number | undefined): number | undefined {
  return config.json[name] === undefined ? fallback : config.maybe(name);
}

function shapeOf(config: Config): Shape {
  const { json } = config;
  const kind = (json["model_type"] === "gemma3_text" ? "gemma3" : json["model_type"]) as Kind;
  if (config.flag("use_bidirectional_attention", false)) {
    config.refuse("use_bidirectional_attention", "is true", "false: this reads Gemma as a decoder");
  }
  const heads = headsOf(config, { headDim: 256, keyHeads: kind === "gemma" ? 16 : 4 });
  // Gemma's first configs say "gelu" and mean its tanh form.
  const legacy = kind === "gemma" && (json["hidden_activation"] ?? json["hidden_act"]) === "gelu";
  const named = json["hidden_activation"] ? "hidden_activation" : "hidden_act";
  return {
    ...heads,
    kind,
    inner: config.size("intermediate_size"),
    activation: legacy ? "geluTanh" : config.activation(named, "gelu_pytorch_tanh"),
    epsilon: config.number("rms_norm_eps", 1e-6),
    bias: config.flag("attention_bias", false),
    scale: kind === "gemma" ? undefined : config.number("query_pre_attn_scalar", 256) ** -0.5,
    softcap: kind === "gemma2" ? optional(config, "attn_logit_softcapping", 50) : undefined,
    rope: ropeOf(config, heads.headDim, kind, "full_attention"),
    local: {
      rope: ropeOf(config, heads.headDim, kind, "sliding_attention"),
      window: kind === "gemma" ? undefined : optional(config, "sliding_window", 4096),
    },
    isLocal: locals(config, kind),
  };
}

/** Gemma 3 turns its two kinds of layers apart, by newer configs (an object for each) and older ones (two bases). */
function ropeOf(config: Config, headDim: number, kind: Kind, layers: string): RopeSettings {
  const { json } = config;
  if (kind !== "gemma3") return ropeSettings(config, headDim);
  const nested = (json["rope_parameters"] as Record<string, ConfigJson> | undefined)?.[layers];
  const older: ConfigJson =
    layers === "sliding_attention"
      ? { rope_theta: json["rope_local_base_freq"] ?? 1e4 }
      : { ...(json["rope_scaling"] as object | null), rope_theta: json["rope_theta"] ?? 1e6 };
  return ropeSettings(config.within({ ...json, rope_parameters: nested ?? older }), headDim);
}

/** Which layers have a window: as `layer_types` says, else all but every second (Gemma 2) or sixth (Gemma 3). */
function locals(config: Config, kind: Kind): (layer: number) => boolean {
  const types = config.json["layer_types"] as string[] | undefined;
  if (kind === "gemma") return () => false;
  if (Array.isArray(types)) return (layer) => types[layer] === "sliding_attention";
  const period = kind === "gemma2" ? 2 : config.size("sliding_window_pattern", 6);
  return (layer) => (layer + 1) % period !== 0;
}
