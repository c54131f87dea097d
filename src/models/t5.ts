/**
 * @file T5: an encoder that reads the source, a decoder that writes the target and looks back at it.
 *
 *     source ─▶ embed ─▶ ┌ x + attention(norm(x)) ┐ ┌ x + ff(norm(x)) ┐ × L ─▶ norm ─────────────┐ memory
 *     target ─▶ embed ─▶ ┌ x + attention(norm(x)) ┐ ┌ x + attention(norm(x), memory) ┐ ┌ ff ┐ × L ─▶ norm ─▶ lm_head
 *
 * Distances enter as a learned bias, made by the first layer of each stack and used by all of it; scores are not scaled.
 * Raffel et al. 2020 (arXiv:1910.10683); v1.1 (gated GELU, untied head): Shazeer 2020 (arXiv:2002.05202).
 */
import { attend, type BiasView, relativeBias, viewHeads } from "../attention/index.js";
import type { AttentionKind } from "../attention/listen.js";
import { ops } from "../kernels/current.js";
import { Embedding } from "../nn/embedding.js";
import { FeedForward } from "../nn/feed-forward.js";
import { normal } from "../nn/initialise.js";
import { Linear } from "../nn/linear.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import { RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { lmLogits, type OutputHead, outputHead } from "./head.js";
import { Model, type ModelParts } from "./model.js";
import { named } from "./named.js";
import type { Batch, Outputs, Pass, Tokens } from "./pass.js";
import { selfAttend } from "./self-attention.js";
import { Sight } from "./sight.js";

interface Shape {
  d: number;
  heads: number;
  headDim: number;
  inner: number;
  epsilon: number;
  buckets: number;
  maxDistance: number;
  activation: ReturnType<Config["activation"]>;
  gated: boolean;
}

export class T5 extends Model {
  readonly family = "encoder-decoder";
  readonly #embed: Embedding;
  readonly #encoder: Stack;
  readonly #decoder: Stack;
  readonly #head: OutputHead;
  readonly #outputScale: number;

  constructor(config: Config, parts: ModelParts) {
    super(config, parts);
    const shape = shapeOf(config);
    const { d } = shape;
    const vocabulary = config.size("vocab_size");
    const layers = config.size("num_layers");
    const tied = config.flag("tie_word_embeddings", true);
    this.#embed = new Embedding({ count: vocabulary, width: d, initialiser: normal(1) });
    this.#encoder = new Stack(shape, layers, "encoder");
    this.#decoder = new Stack(shape, config.maybe("num_decoder_layers") ?? layers, "decoder");
    this.#head = outputHead(config, parts, this.#embed, { embedding: "shared", tied: true });
    this.#outputScale = config.flag("scale_decoder_outputs", tied) ? d ** -0.5 : 1;
  }

  parts(): Record<string, Part> {
    return { shared: this.#embed, encoder: this.#encoder, decoder: this.#decoder, lm_head: this.#head.part };
  }

  compute({ tokens, decoder, memory }: Batch, pass: Pass): Outputs {
    const source = new Sight(tokens.batch, tokens.length, false, tokens.mask);
    const read = memory ?? this.#encoder.forward(this.#lookUp(tokens), source, { hidden: pass.encoderHidden });
    if (!decoder) return { lastHiddenState: read, encoderLastHiddenState: read };
    const across = new Sight(decoder.batch, decoder.length, false, tokens.mask);
    const own = this.sight(decoder, pass, true);
    const x = this.#decoder.forward(this.#lookUp(decoder), own, pass, { memory: read, sight: across }); // [B, L, d]
    const scaled = this.#outputScale === 1 ? x : ops().affine(x, this.#outputScale);
    return { lastHiddenState: x, logits: lmLogits(scaled, this.#head, pass), encoderLastHiddenState: read };
  }

  override get readOut(): { norm: RMSNorm; head: OutputHead; scale: number } {
    return { norm: this.#decoder.norm, head: this.#head, scale: this.#outputScale };
  }

  #lookUp({ batch, length, ids }: Tokens): Tensor {
    return this.#embed.forward({ data: ids, shape: [batch, length] });
  }
}

/** What a decoder looks back at. */
interface Across {
  memory: Tensor;
  sight: Sight;
}

class Stack extends Module {
  readonly norm: RMSNorm;
  readonly #blocks: ModuleList<Block>;

  constructor(shape: Shape, layers: number, kind: "encoder" | "decoder") {
    super();
    this.#blocks = new ModuleList(Array.from({ length: layers }, (_, i) => new Block(shape, i, kind)));
    this.norm = new RMSNorm({ width: shape.d, epsilon: shape.epsilon });
  }

  parts(): Record<string, Part> {
    return { block: this.#blocks, final_layer_norm: this.norm };
  }

  forward(embedded: Tensor, sight: Sight, pass: Pass, across?: Across): Tensor {
    const biases = new Map<string, BiasView>(); // of the first block, for so many queries and keys
    const first = this.#blocks.items[0]!;
    const bias = (queries: number, keys: number): BiasView => {
      const name = `${queries} ${keys}`;
      const known = biases.get(name) ?? first.bias(queries, keys);
      biases.set(name, known);
      return known;
    };
    let x = embedded;
    pass.hidden?.(x);
    for (const [i, block] of this.#blocks.items.entries()) {
      x = block.forward(x, sight, bias, pass, across);
      if (i + 1 < this.#blocks.length) pass.hidden?.(x);
    }
    pass.stream?.(x);
    x = this.norm.forward(x);
    pass.hidden?.(x);
    return x;
  }
}

class Block extends Module {
  readonly #layer: number;
  readonly #kind: "encoder" | "decoder";
  readonly #shape: Shape;
  readonly #self: Projections;
  readonly #cross: Projections | undefined;
  readonly #table: Embedding | undefined;
  readonly #ff: FeedForward;
  readonly #norms: RMSNorm[];

  constructor(shape: Shape, layer: number, kind: "encoder" | "decoder") {
    super();
    const { d, epsilon, buckets, heads, activation, gated, inner } = shape;
    this.#layer = layer;
    this.#kind = kind;
    this.#shape = shape;
    this.#table = layer === 0 ? new Embedding({ count: buckets, width: heads }) : undefined;
    this.#self = new Projections(shape, this.#table);
    this.#cross = kind === "decoder" ? new Projections(shape) : undefined;
    this.#ff = new FeedForward({
      dModel: d,
      feedForward: inner,
      activation,
      gated,
      bias: false,
      names: gated ? { gate: "wi_0", up: "wi_1", down: "wo" } : { up: "wi", down: "wo" },
    });
    this.#norms = Array.from({ length: this.#cross ? 3 : 2 }, () => new RMSNorm({ width: d, epsilon }));
  }

  parts(): Record<string, Part> {
    const [first, second, third] = this.#norms as [RMSNorm, RMSNorm, RMSNorm?];
    const own = named({ SelfAttention: this.#self, layer_norm: first });
    const across = this.#cross && named({ EncDecAttention: this.#cross, layer_norm: second });
    const ff = named({ DenseReluDense: this.#ff, layer_norm: third ?? second });
    return { layer: named(across ? { 0: own, 1: across, 2: ff } : { 0: own, 1: ff }) };
  }

  /** The bias by distance, [H, Lq + Lk − 1] numbers; only the first block of a stack has a table. */
  bias(queries: number, keys: number): BiasView {
    const { buckets, maxDistance } = this.#shape;
    const bidirectional = this.#kind === "encoder";
    return relativeBias(this.#table!.weight.tensor, { bidirectional, buckets, maxDistance, queries, keys });
  }

  forward(
    x: Tensor,
    sight: Sight,
    bias: (queries: number, keys: number) => BiasView,
    pass: Pass,
    across?: Across,
  ): Tensor {
    const [first, second, third] = this.#norms as [RMSNorm, RMSNorm, RMSNorm?];
    const { heads } = this.#shape;
    const { q, k, v, output } = this.#self;
    const views = (t: Tensor): ReturnType<typeof viewHeads> => viewHeads(t, heads);
    const n = first.forward(x);
    const site = { kind: this.#kind, layer: this.#layer };
    const call = { q: views(q.forward(n)), k: views(k.forward(n)), v: views(v.forward(n)), sight, scale: 1, bias };
    const y = output.forward(selfAttend(site, call, pass), { residual: x });
    const z = this.#cross && across ? this.#look(second.forward(y), y, across, pass) : y;
    return this.#ff.forward((third ?? second).forward(z), z);
  }

  /** Attention to the encoder's result, whose keys and values no step changes. */
  #look(x: Tensor, residual: Tensor, { memory, sight }: Across, { cache }: Pass): Tensor {
    const { q, k, v, output } = this.#cross!;
    const { heads } = this.#shape;
    const site = { kind: "cross" as AttentionKind, layer: this.#layer };
    const project = () => ({ k: viewHeads(k.forward(memory), heads), v: viewHeads(v.forward(memory), heads) });
    const kv = cache ? cache.fixed(site, project) : project();
    const rule = sight.rule(kv.k.length, 0);
    const y = attend(site, { q: viewHeads(q.forward(x), heads), k: kv.k, v: kv.v, rule, scale: 1 });
    return output.forward(y, { residual });
  }
}

/** The four matrices of an attention, and the first block's table of biases. */
class Projections extends Module {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly output: Linear;
  readonly #table: Embedding | undefined;

  constructor({ d, heads, headDim }: Shape, table?: Embedding) {
    super();
    const inner = heads * headDim;
    const into = (): Linear => new Linear({ inputs: d, outputs: inner, bias: false });
    [this.q, this.k, this.v] = [into(), into(), into()];
    this.output = new Linear({ inputs: inner, outputs: d, bias: false });
    this.#table = table;
  }

  parts(): Record<string, Part> {
    return { q: this.q, k: this.k, v: this.v, o: this.output, relative_attention_bias: this.#table };
  }
}

function shapeOf(config: Config): Shape {
  const { json } = config;
  const projection = (json["feed_forward_proj"] as string | undefined) ?? "relu"; // "relu", "gated-gelu"
  const gated = projection.startsWith("gated-");
  const name = gated ? projection.slice("gated-".length) : projection;
  return {
    d: config.size("d_model"),
    heads: config.size("num_heads"),
    headDim: config.size("d_kv"),
    inner: config.size("d_ff"),
    epsilon: config.number("layer_norm_epsilon", 1e-6),
    buckets: config.size("relative_attention_num_buckets", 32),
    maxDistance: config.size("relative_attention_max_distance", 128),
    activation: config.activation("dense_act_fn", gated && name === "gelu" ? "gelu_new" : name),
    gated,
  };
}
