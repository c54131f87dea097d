/**
 * @file GPT-2.
 *
 *     ids ─▶ wte + wpe ─▶ ┌ x + attention(ln_1(x)) ┐ ┌ x + c_proj(gelu(c_fc(ln_2(x)))) ┐ × L ─▶ ln_f ─▶ lm_head (= wte)
 *                         └ sees earlier tokens    ┘ └                                 ┘
 *
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; weights are [inputs, outputs] (`Conv1D`).
 */
import { type HeadsView, viewHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { Embedding } from "../nn/embedding.js";
import { normal } from "../nn/initialise.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import { LayerNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { Conv1D } from "./conv1d.js";
import { lmLogits, type OutputHead, outputHead } from "./head.js";
import type { InputLimits } from "./inputs.js";
import { Model, type ModelParts } from "./model.js";
import { type Batch, countedPositions, type Outputs, type Pass } from "./pass.js";
import { selfAttend } from "./self-attention.js";
import type { Sight } from "./sight.js";

export class Gpt2 extends Model {
  readonly family = "decoder";
  readonly #tokens: Embedding;
  readonly #positions: Embedding;
  readonly #layers: ModuleList<Layer>;
  readonly #norm: LayerNorm;
  readonly #head: OutputHead;

  constructor(config: Config, parts: ModelParts) {
    super(config, parts);
    const d = config.size("n_embd");
    const vocabulary = config.size("vocab_size");
    const initialiser = normal(0.02);
    this.#tokens = new Embedding({ count: vocabulary, width: d, initialiser });
    this.#positions = new Embedding({ count: config.size("n_positions"), width: d, initialiser });
    this.#layers = new ModuleList(Array.from({ length: config.size("n_layer") }, (_, i) => new Layer(config, d, i)));
    this.#norm = new LayerNorm({ width: d, epsilon: config.number("layer_norm_epsilon", 1e-5) });
    this.#head = outputHead(config, parts, this.#tokens, { body: "transformer", embedding: "wte", tied: true });
  }

  override get limits(): InputLimits {
    return { ...super.limits, positions: this.#positions.count };
  }

  parts(): Record<string, Part> {
    const body = { wte: this.#tokens, wpe: this.#positions, h: this.#layers, ln_f: this.#norm };
    return { ...this.prefixed("transformer", body), lm_head: this.#head.part };
  }

  compute({ tokens }: Batch, pass: Pass): Outputs {
    const { batch, length, ids } = tokens;
    const positions = tokens.positions ?? countedPositions(tokens, this.past(pass, tokens));
    const sight = this.sight(tokens, pass, true);
    const shape = [batch, length];
    let x = ops().binary(
      "add",
      this.#tokens.forward({ data: ids, shape }),
      this.#positions.forward({ data: positions, shape }),
    ); // [B, L, d]
    pass.hidden?.(x);
    for (const [i, layer] of this.#layers.items.entries()) {
      x = layer.forward(x, sight, pass);
      if (i + 1 < this.#layers.length) pass.hidden?.(x);
    }
    pass.stream?.(x);
    x = this.#norm.forward(x);
    pass.hidden?.(x);
    return { lastHiddenState: x, logits: lmLogits(x, this.#head, pass) };
  }
}

class Layer extends Module {
  readonly #before: LayerNorm;
  readonly #attention: Attention;
  readonly #after: LayerNorm;
  readonly #mlp: Mlp;

  constructor(config: Config, d: number, index: number) {
    super();
    const norm = { width: d, epsilon: config.number("layer_norm_epsilon", 1e-5) };
    this.#before = new LayerNorm(norm);
    this.#attention = new Attention(config, d, index);
    this.#after = new LayerNorm(norm);
    this.#mlp = new Mlp(config, d);
  }

  parts(): Record<string, Part> {
    return { ln_1: this.#before, attn: this.#attention, ln_2: this.#after, mlp: this.#mlp };
  }

  forward(x: Tensor, sight: Sight, pass: Pass): Tensor {
    const y = this.#attention.forward(this.#before.forward(x), x, sight, pass);
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

  forward(x: Tensor, residual: Tensor, sight: Sight, pass: Pass): Tensor {
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
