/**
 * @file What every decoder does with its parts.
 *
 *     ids ─▶ embedded ─▶ layer 0 ─▶ … ─▶ layer L − 1 ─▶ norm ─▶ output layer
 *                  └ hidden ┘  hidden    stream ┘   └ hidden
 *
 * An architecture says what it embeds and what its layers are; who sees whom, which position a token has and what is
 * listened to on the way stands here once.
 */
import { ops } from "../kernels/current.js";
import { Embedding } from "../nn/embedding.js";
import { normal } from "../nn/initialise.js";
import { Module, ModuleList, type Part } from "../nn/module.js";
import type { LayerNorm, RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import { lmLogits, type OutputHead, outputHead } from "./head.js";
import { Model, type ModelParts } from "./model.js";
import { type Batch, countedPositions, type Outputs, type Pass, type Tokens } from "./pass.js";
import { Angles, changesAfter, type RopeSettings, turnsByLength } from "./rope.js";
import type { Sight } from "./sight.js";

export type Norm = RMSNorm | LayerNorm;

/** One pass as a layer sees it. */
export class Step {
  readonly pass: Pass;
  readonly sight: Sight;
  /** Of every token, [B·L]; pads have 0. */
  readonly positions: Int32Array;
  readonly #angles = new Map<RopeSettings, Angles>();

  constructor(pass: Pass, sight: Sight, positions: Int32Array) {
    this.pass = pass;
    this.sight = sight;
    this.positions = positions;
  }

  /** cos and sin of all tokens, worked out once for the layers that turn alike. */
  angles(rope: RopeSettings): Angles {
    let found = this.#angles.get(rope);
    if (!found) this.#angles.set(rope, (found = new Angles(this.positions, rope)));
    return found;
  }
}

/** A block: x [B, L, d] and what it adds. */
export interface DecoderLayer extends Module {
  /** How its q and k are turned; undefined where positions enter otherwise. */
  readonly rope?: RopeSettings | undefined;
  /** How many tokens a query sees; undefined where all earlier ones. */
  readonly window?: number | undefined;
  /** The norm before its attention; undefined where it reads x as it is. */
  readonly before?: Norm | undefined;
  /** Whether what attention gives is normed before it is added. */
  readonly normsAfter?: boolean | undefined;
  forward(x: Tensor, step: Step): Tensor;
}

/** What stands behind the embedding. */
export interface DecoderStack {
  layers: ModuleList<DecoderLayer>;
  norm: Norm;
  head: OutputHead;
}

export abstract class Decoder extends Model {
  readonly family = "decoder";
  protected abstract readonly stack: DecoderStack;
  #turns: RopeSettings[] | undefined;
  /** What the first layer reads, [B, L, d]. */
  protected abstract embedded(tokens: Tokens, positions: Int32Array): Tensor;

  compute({ tokens }: Batch, pass: Pass): Outputs {
    const { layers, norm, head } = this.stack;
    const positions = tokens.positions ?? countedPositions(tokens, this.past(pass, tokens));
    const step = new Step(pass, this.sight(tokens, pass, true), positions);
    let x = this.embedded(tokens, positions);
    pass.hidden?.(x);
    for (const [i, layer] of layers.items.entries()) {
      x = layer.forward(x, step);
      if (i + 1 < layers.length) pass.hidden?.(x);
    }
    pass.stream?.(x);
    x = norm.forward(x);
    pass.hidden?.(x);
    return { lastHiddenState: x, logits: lmLogits(x, head, pass) };
  }

  override get readOut(): { norm: Norm; head: OutputHead } {
    return this.stack;
  }

  override layerAt(layer: number): DecoderLayer | undefined {
    return this.stack.layers.items[layer];
  }

  override get readsInParts(): boolean {
    return !this.#ropes.some(turnsByLength);
  }

  override get rereadAfter(): number {
    return Math.min(...this.#ropes.map(changesAfter));
  }

  get #ropes(): RopeSettings[] {
    return (this.#turns ??= [...new Set(this.stack.layers.items.flatMap((layer) => layer.rope ?? []))]);
  }
}

/** What a `TokenDecoder` is made of. */
export interface TokenDecoderParts {
  d: number;
  layer: (index: number) => DecoderLayer;
  norm: Norm;
  /** Names in checkpoints; default Llama's. */
  names?: typeof llamaNames | undefined;
  /** Whether the output layer is the embedding once more, where the config is silent; default false. */
  tied?: boolean | undefined;
  /** Embedded rows are multiplied by it. */
  embeddingScale?: number | undefined;
  /** Of the output layer. */
  softcap?: number | undefined;
}

const llamaNames = { body: "model", embedding: "embed_tokens", norm: "norm", head: "lm_head" };

/** A decoder whose first layer reads nothing but the tokens: positions enter in its attentions. */
export abstract class TokenDecoder extends Decoder {
  readonly #embed: Embedding;
  readonly #names: typeof llamaNames;
  readonly #embeddingScale: number | undefined;
  protected readonly stack: DecoderStack;

  constructor(config: Config, parts: ModelParts, given: TokenDecoderParts) {
    super(config, parts);
    const { d, layer, norm, names = llamaNames, tied = false, embeddingScale, softcap } = given;
    const layers = Array.from({ length: config.size("num_hidden_layers") }, (_, i) => layer(i));
    this.#embed = new Embedding({ count: config.size("vocab_size"), width: d, initialiser: normal(1 / Math.sqrt(d)) });
    this.#names = names;
    this.#embeddingScale = embeddingScale;
    const head = outputHead(config, parts, this.#embed, { ...names, tied });
    this.stack = { layers: new ModuleList(layers), norm, head: { ...head, softcap } };
  }

  parts(): Record<string, Part> {
    const { body, embedding, norm, head } = this.#names;
    const { stack } = this;
    const inside = { [embedding]: this.#embed, layers: stack.layers, [norm]: stack.norm };
    return { ...this.prefixed(body, inside), [head]: stack.head.part };
  }

  protected embedded({ batch, length, ids }: Tokens): Tensor {
    const x = this.#embed.forward({ data: ids, shape: [batch, length] }); // [B, L, d]
    return this.#embeddingScale === undefined ? x : ops().affine(x, this.#embeddingScale);
  }
}

/** x + attention(norm(x)), then y + mlp(norm(y)), under Llama's names. The last projection of each adds the residual. */
export class PreNormLayer extends Module implements DecoderLayer {
  readonly rope: RopeSettings;
  readonly window: number | undefined;
  readonly before: Norm;
  readonly #after: Norm;
  readonly #attention: Mixer;
  readonly #mlp: Widener;

  constructor(
    { rope, window }: { rope: RopeSettings; window?: number | undefined },
    parts: { before: Norm; attention: Mixer; after: Norm; mlp: Widener },
  ) {
    super();
    this.rope = rope;
    this.window = window;
    this.before = parts.before;
    this.#attention = parts.attention;
    this.#after = parts.after;
    this.#mlp = parts.mlp;
  }

  parts(): Record<string, Part> {
    return {
      self_attn: this.#attention,
      mlp: this.#mlp,
      input_layernorm: this.before,
      post_attention_layernorm: this.#after,
    };
  }

  forward(x: Tensor, step: Step): Tensor {
    const y = this.#attention.forward(this.before.forward(x), step, x);
    return this.#mlp.forward(this.#after.forward(y), y);
  }
}

type Widener = Module & { forward(x: Tensor, residual: Tensor): Tensor };
type Mixer = Module & { forward(x: Tensor, step: Step, residual: Tensor): Tensor };

/** x + y, for blocks that norm what they add. Where they do not, the last projection adds x in the same pass. */
export function add(x: Tensor, y: Tensor): Tensor {
  return ops().binary("add", x, y);
}
