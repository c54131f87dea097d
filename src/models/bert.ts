/**
 * @file BERT, RoBERTa and DistilBERT.
 *
 *     ids ─▶ norm(word + position + segment) ─▶ ┌ norm(x + attention(x)) ┐ ┌ norm(x + down(gelu(up(x)))) ┐ × L ─▶ head
 *                                               └ sees every token       ┘ └                             ┘
 *
 * Devlin et al. 2019 (arXiv:1810.04805), Liu et al. 2019 (arXiv:1907.11692: positions count real tokens from pad + 1),
 * Sanh et al. 2019 (arXiv:1910.01108: no segments, no pooler). Only names differ otherwise: see `names` below.
 */
import { type HeadsView, viewHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import type { Activation } from "../kernels/kernel.js";
import { Embedding } from "../nn/embedding.js";
import { normal } from "../nn/initialise.js";
import { Linear } from "../nn/linear.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import { LayerNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import { type BertKind, bertKind } from "./bert-names.js";
import { type BertHead, bertHead } from "./bert-heads.js";
import type { Config } from "./config.js";
import type { InputLimits } from "./inputs.js";
import { Model, type ModelParts } from "./model.js";
import { named } from "./named.js";
import type { Batch, Outputs, Pass } from "./pass.js";
import { selfAttend } from "./self-attention.js";
import type { Sight } from "./sight.js";

/** Sizes of one encoder. */
export interface BertShape {
  d: number;
  heads: number;
  inner: number;
  epsilon: number;
  activation: Activation;
}

export class Bert extends Model {
  readonly family = "encoder";
  readonly #kind: BertKind;
  readonly #words: Embedding;
  readonly #positions: Embedding;
  readonly #segments: Embedding | undefined;
  readonly #norm: LayerNorm;
  readonly #layers: ModuleList<Layer>;
  readonly #head: BertHead;

  constructor(config: Config, parts: ModelParts) {
    super(config, parts);
    const kind = bertKind(config);
    const { settings } = kind;
    if (config.flag("is_decoder", false)) {
      config.refuse("is_decoder", "is true", "false: this reads BERT as an encoder", "load a decoder, such as GPT-2");
    }
    const distances = config.json["position_embedding_type"] ?? "absolute";
    if (distances !== "absolute") config.refuse("position_embedding_type", `is "${String(distances)}"`, '"absolute"');
    const d = config.size(settings.d);
    const shape: BertShape = {
      d,
      heads: config.size(settings.heads),
      inner: config.size(settings.inner),
      epsilon: config.number("layer_norm_eps", 1e-12),
      activation: config.activation(settings.activation, "gelu"),
    };
    if (d % shape.heads !== 0) config.refuse(settings.heads, `is ${shape.heads}`, `a number that divides ${d}`);
    const table = (count: number): Embedding => new Embedding({ count, width: d, initialiser: normal(0.02) });
    this.#kind = kind;
    this.#words = table(config.size("vocab_size"));
    this.#positions = table(config.size("max_position_embeddings", 512));
    const hasSegments = kind.segments && config.json["type_vocab_size"] !== 0; // 0: DistilBERT as a GGUF file
    this.#segments = hasSegments ? table(config.size("type_vocab_size", 2)) : undefined;
    this.#norm = new LayerNorm({ width: d, epsilon: shape.epsilon });
    this.#layers = new ModuleList(
      Array.from({ length: config.size(settings.layers) }, (_, i) => new Layer(shape, kind, i)),
    );
    this.#head = bertHead(config, kind, shape, this.#words.weight, parts);
  }

  override get limits(): InputLimits {
    const first = this.#kind.prefix === "roberta" ? this.padId + 1 : 0; // RoBERTa's first positions belong to padding
    return { ...super.limits, positions: this.#positions.count - first, types: this.#segments?.count ?? 1 };
  }

  parts(): Record<string, Part> {
    const embeddings = named({
      word_embeddings: this.#words,
      position_embeddings: this.#positions,
      token_type_embeddings: this.#segments,
      LayerNorm: this.#norm,
    });
    const stack = named({ layer: this.#layers });
    const body = { embeddings, [this.#kind.names.stack]: stack, ...this.#head.inBody };
    return { ...this.prefixed(this.#kind.prefix, body), ...this.#head.parts };
  }

  compute({ tokens }: Batch, pass: Pass): Outputs {
    const { batch, length, ids, types = new Int32Array(ids.length) } = tokens;
    const shape = [batch, length];
    const sight = this.sight(tokens, pass, false);
    let x = ops().binary(
      "add",
      this.#words.forward({ data: ids, shape }),
      this.#positions.forward({ data: tokens.positions ?? this.#kind.positions(tokens, this.padId), shape }),
    );
    if (this.#segments) x = ops().binary("add", x, this.#segments.forward({ data: types, shape }));
    x = this.#norm.forward(x); // [B, L, d]
    pass.hidden?.(x);
    for (const layer of this.#layers.items) {
      x = layer.forward(x, sight, pass);
      pass.hidden?.(x);
    }
    return { lastHiddenState: x, ...(pass.logits !== "none" && this.#head.forward(x)) };
  }

  /** BERT norms at the end of each layer: there is no last norm to go through. */
  override words(state: Tensor): Tensor | undefined {
    return this.#head.saysWords ? this.#head.forward(state).logits : undefined;
  }
}

class Layer extends Module {
  readonly #index: number;
  readonly #shape: BertShape;
  readonly #kind: BertKind;
  readonly #q: Linear;
  readonly #k: Linear;
  readonly #v: Linear;
  readonly #output: Linear;
  readonly #attentionNorm: LayerNorm;
  readonly #up: Linear;
  readonly #down: Linear;
  readonly #norm: LayerNorm;

  constructor(shape: BertShape, kind: BertKind, index: number) {
    super();
    const { d, inner, epsilon } = shape;
    const square = (): Linear => new Linear({ inputs: d, outputs: d });
    this.#index = index;
    this.#shape = shape;
    this.#kind = kind;
    [this.#q, this.#k, this.#v, this.#output] = [square(), square(), square(), square()];
    this.#attentionNorm = new LayerNorm({ width: d, epsilon });
    this.#up = new Linear({ inputs: d, outputs: inner });
    this.#down = new Linear({ inputs: inner, outputs: d });
    this.#norm = new LayerNorm({ width: d, epsilon });
  }

  parts(): Record<string, Part> {
    return this.#kind.names.layer({
      q: this.#q,
      k: this.#k,
      v: this.#v,
      output: this.#output,
      attentionNorm: this.#attentionNorm,
      up: this.#up,
      down: this.#down,
      norm: this.#norm,
    });
  }

  forward(x: Tensor, sight: Sight, pass: Pass): Tensor {
    const { d, activation } = this.#shape;
    const heads = (projection: Linear): HeadsView => viewHeads(projection.forward(x), this.#shape.heads);
    const a = selfAttend(
      { kind: "self", layer: this.#index },
      { q: heads(this.#q), k: heads(this.#k), v: heads(this.#v), sight, scale: 1 / Math.sqrt(d / this.#shape.heads) },
      pass,
    );
    const y = this.#attentionNorm.forward(this.#output.forward(a, { residual: x }));
    return this.#norm.forward(this.#down.forward(this.#up.forward(y, { activation }), { residual: y }));
  }
}
