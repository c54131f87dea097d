/** @file The bundled model's shape: a Llama (Touvron et al. 2023, arXiv:2302.13971), small. */
import { listened } from "../../attention/listen.js";
import { ops } from "../../kernels/current.js";
import type { AttentionCall } from "../../kernels/kernel.js";
import { mergedHeads } from "../../kernels/layout.js";
import {
  Embedding,
  FeedForward,
  type Initialiser,
  keepVariance,
  Linear,
  Module,
  ModuleList,
  type Part,
  RMSNorm,
} from "../../nn/index.js";
import { type Tensor, tensor } from "../../tensor/index.js";

export interface LlamaConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  max_position_embeddings: number;
  rms_norm_eps: number;
  rope_theta: number;
}

class Block extends Module {
  readonly norm1: RMSNorm;
  readonly norm2: RMSNorm;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly mlp: FeedForward;
  readonly heads: number;
  readonly layer: number;

  constructor(config: LlamaConfig, layer: number) {
    super();
    const width = config.hidden_size;
    const out: Initialiser = (into, shape, source) => {
      keepVariance(into, shape, source);
      const share = 1 / Math.sqrt(2 * config.num_hidden_layers);
      for (let i = 0; i < into.length; i++) into[i]! *= share;
    };
    const square = (initialiser: Initialiser) =>
      new Linear({ inputs: width, outputs: width, bias: false, initialiser });
    this.norm1 = new RMSNorm({ width, epsilon: config.rms_norm_eps });
    this.norm2 = new RMSNorm({ width, epsilon: config.rms_norm_eps });
    [this.q, this.k, this.v, this.o] = [square(keepVariance), square(keepVariance), square(keepVariance), square(out)];
    this.mlp = new FeedForward({
      dModel: width,
      feedForward: config.intermediate_size,
      activation: "silu",
      gated: true,
      bias: false,
      names: { gate: "gate_proj", up: "up_proj", down: "down_proj" },
      initialiser: keepVariance,
    });
    this.heads = config.num_attention_heads;
    this.layer = layer;
  }

  parts(): Record<string, Part> {
    const named = Object.entries(this.mlp.parts()).map(([name, part]) => [`mlp.${name}`, part] as const);
    return {
      input_layernorm: this.norm1,
      "self_attn.q_proj": this.q,
      "self_attn.k_proj": this.k,
      "self_attn.v_proj": this.v,
      "self_attn.o_proj": this.o,
      post_attention_layernorm: this.norm2,
      ...Object.fromEntries(named),
    };
  }

  forward(x: Tensor, turn: (t: Tensor) => Tensor): Tensor {
    const [B, L, width] = x.shape as [number, number, number];
    const D = width / this.heads;
    const h = this.norm1.forward(x);
    const [q, k, v] = [turn(this.q.forward(h)), turn(this.k.forward(h)), this.v.forward(h)];
    const call: AttentionCall = {
      batch: B, heads: this.heads, keyHeads: this.heads, queries: L, keys: L, headDim: D, valueDim: D,
      q: mergedHeads(q, D), k: mergedHeads(k, D), v: mergedHeads(v, D), scale: 1 / Math.sqrt(D),
      rule: { first: new Int32Array(L), end: Int32Array.from({ length: L }, (_, i) => i + 1), perBatch: false },
      outputLayout: "merged",
    }; // biome-ignore format: a table
    const { output } = listened({ kind: "self", layer: this.layer }, call, (c) => ops().attention(c));
    const y = this.o.forward(output, { residual: x });
    return this.mlp.forward(this.norm2.forward(y), y);
  }
}

export class SmallLlama extends Module {
  readonly config: LlamaConfig;
  readonly embed: Embedding;
  readonly layers: ModuleList<Block>;
  readonly norm: RMSNorm;

  constructor(config: LlamaConfig) {
    super();
    this.config = config;
    this.embed = new Embedding({ count: config.vocab_size, width: config.hidden_size, initialiser: keepVariance });
    this.layers = new ModuleList(Array.from({ length: config.num_hidden_layers }, (_, n) => new Block(config, n)));
    this.norm = new RMSNorm({ width: config.hidden_size, epsilon: config.rms_norm_eps });
  }

  parts(): Record<string, Part> {
    return { "model.embed_tokens": this.embed, "model.layers": this.layers, "model.norm": this.norm };
  }

  /** @returns logits [B, L, V] */
  forward(ids: Int32Array, rows: number): Tensor {
    const L = ids.length / rows;
    const { hidden_size: width, num_attention_heads: heads, rope_theta } = this.config;
    const D = width / heads;
    const angle = (i: number): number => Math.floor(i / (D / 2)) * rope_theta ** ((-2 * (i % (D / 2))) / D);
    const table = (f: (x: number) => number) =>
      tensor(
        Float32Array.from({ length: (L * D) / 2 }, (_, i) => f(angle(i))),
        [L, D / 2],
      );
    const [cos, sin] = [table(Math.cos), table(Math.sin)];
    const positions = Int32Array.from({ length: rows * L * heads }, (_, r) => Math.floor(r / heads) % L);
    const turn = (t: Tensor): Tensor =>
      ops().reshape(
        ops().rotary(ops().reshape(t, [rows * L * heads, D]), cos, sin, positions, { interleaved: false }),
        t.shape,
      );
    let h = ops().reshape(this.embed.forward(ids), [rows, L, width]);
    for (const layer of this.layers) h = layer.forward(h, turn);
    return ops().linear(this.norm.forward(h), this.embed.weight.tensor);
  }
}
