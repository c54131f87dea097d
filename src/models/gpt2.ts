/**
 * @file GPT-2.
 *
 *     ids ─▶ wte + wpe ─▶ ┌ x + attention(ln_1(x)) ┐ ┌ x + c_proj(gelu(c_fc(ln_2(x)))) ┐ × L ─▶ ln_f ─▶ lm_head (= wte)
 *                         └ sees earlier tokens    ┘ └                                 ┘
 *
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; weights are [inputs, outputs] (`Conv1D`).
 */
import { type HeadsView, viewHeads } from "../attention/index.js";
import { Embedding } from "../nn/embedding.js";
import { normal } from "../nn/initialise.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import { LayerNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { Conv1D } from "./conv1d.js";
import { add, Decoder, type DecoderLayer, type DecoderStack, type Step } from "./decoder.js";
import { outputHead } from "./head.js";
import type { InputLimits } from "./inputs.js";
import type { ModelParts } from "./model.js";
import type { Tokens } from "./pass.js";
import { selfAttend } from "./self-attention.js";

export class Gpt2 extends Decoder {
  readonly #tokens: Embedding;
  readonly #positions: Embedding;
  protected readonly stack: DecoderStack;

  constructor(config: Config, parts: ModelParts) {
    super(config, parts);
    const d = config.size("n_embd");
    const vocabulary = config.size("vocab_size");
    const initialiser = normal(0.02);
    this.#tokens = new Embedding({ count: vocabulary, width: d, initialiser });
    this.#positions = new Embedding({ count: config.size("n_positions"), width: d, initialiser });
    this.stack = {
      layers: new ModuleList(Array.from({ length: config.size("n_layer") }, (_, i) => new Layer(config, d, i))),
      norm: new LayerNorm({ width: d, epsilon: config.number("layer_norm_epsilon", 1e-5) }),
      head: outputHead(config, parts, this.#tokens, { body: "transformer", embedding: "wte", tied: true }),
    };
  }

  override get limits(): InputLimits {
    return { ...super.limits, positions: this.#positions.count };
  }

  parts(): Record<string, Part> {
    const { layers, norm, head } = this.stack;
    const body = { wte: this.#tokens, wpe: this.#positions, h: layers, ln_f: norm };
    return { ...this.prefixed("transformer", body), lm_head: head.part };
  }

  protected embedded({ batch, length, ids }: Tokens, positions: Int32Array): Tensor {
    const shape = [batch, length];
    const place = this.#positions.forward({ data: positions, shape });
    return add(this.#tokens.forward({ data: ids, shape }), place); // [B, L, d]
  }
}

class Layer extends Module implements DecoderLayer {
  readonly before: LayerNorm;
  readonly #attention: Attention;
  readonly #after: LayerNorm;
  readonly #mlp: Mlp;

  constructor(config: Config, d: number, index: number) {
    super();
    const norm = { width: d, epsilon: config.number("layer_norm_epsilon", 1e-5) };
    this.before = new LayerNorm(norm);
    this.#attention = new Attention(config, d, index);
    this.#after = new LayerNorm(norm);
    this.#mlp = new Mlp(config, d);
  }

  parts(): Record<string, Part> {
    return { ln_1: this.before, attn: this.#attention, ln_2: this.#after, mlp: this.#mlp };
  }

  forward(x: Tensor, step: Step): Tensor {
    const y = this.#attention.forward(this.before.forward(x), x, step);
    return this.#mlp.forward(this.#after.forward(y), y);
  }
}

class Attention extends Module {
  readonly #layer: number;
  readonly #heads: number;
  readonly #scale: number;
  readonly #qkv: Conv1D;
  readonly #output: Conv1D;

  constructor(config: Config, d: number, layer: number) {
    super();
    this.#layer = layer;
    this.#heads = config.size("n_head");
    if (d % this.#heads !== 0) config.refuse("n_head", `is ${this.#heads}`, `a number that divides n_embd ${d}`);
    const plain = config.flag("scale_attn_weights", true) ? 1 / Math.sqrt(d / this.#heads) : 1;
    this.#scale = config.flag("scale_attn_by_inverse_layer_idx", false) ? plain / (layer + 1) : plain;
    this.#qkv = new Conv1D(d, 3 * d);
    this.#output = new Conv1D(d, d);
  }

  parts(): Record<string, Part> {
    return { c_attn: this.#qkv, c_proj: this.#output };
  }

  forward(x: Tensor, residual: Tensor, { sight, pass }: Step): Tensor {
    const d = x.shape[2]!;
    const qkv = this.#qkv.forward(x); // [B, L, 3·d]
    const [q, k, v] = [0, d, 2 * d].map((from) => viewHeads(qkv, this.#heads, from, d)) as [
      HeadsView,
      HeadsView,
      HeadsView,
    ];
    const y = selfAttend({ kind: "self", layer: this.#layer }, { q, k, v, sight, scale: this.#scale }, pass);
    return this.#output.forward(y, { residual });
  }
}

class Mlp extends Module {
  readonly #up: Conv1D;
  readonly #down: Conv1D;
  readonly #activation: ReturnType<Config["activation"]>;

  constructor(config: Config, d: number) {
    super();
    const inner = config.maybe("n_inner") ?? 4 * d;
    this.#up = new Conv1D(d, inner);
    this.#down = new Conv1D(inner, d);
    this.#activation = config.activation("activation_function", "gelu_new");
  }

  parts(): Record<string, Part> {
    return { c_fc: this.#up, c_proj: this.#down };
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    return this.#down.forward(this.#up.forward(x, { activation: this.#activation }), { residual });
  }
}
