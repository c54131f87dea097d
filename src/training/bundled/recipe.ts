/** @file The recipe of the bundled model: every number that its weights follow from. */
import { type Initialiser, keepVariance, normal, ones, zeros } from "../../nn/index.js";
import type { BatchOptions } from "../batches.js";

export const recipe = {
  seed: 1729,
  /** A Llama: rotary positions and short tokens let heads specialise within minutes, learned ones take hours. */
  config: {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: 512,
    hidden_size: 192,
    intermediate_size: 512,
    num_hidden_layers: 4,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    head_dim: 32,
    hidden_act: "silu",
    max_position_embeddings: 256,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    /** Constant parts of q and k: a head can then attend by distance alone, whatever the tokens are. */
    attention_bias: true,
    mlp_bias: false,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: 0,
    dtype: "float16",
  },
  /** Ends a text; id 0. */
  specials: ["<|endoftext|>"],
  /**
   * Five rows of sixteen repeat a stretch, on which induction forms. Not fewer rows: slopes of q and k are mostly noise, and
   * with eight rows no head had turned to the token before after two thousand steps.
   */
  batch: {
    rows: 16,
    length: 256,
    repeatedText: 2,
    repeatedRandom: 3,
    vocabulary: 512,
    first: 1,
  } satisfies BatchOptions,
  /** Rows that go through the model at once. */
  microBatch: 4,
  steps: 2000,
  learningRate: { peak: 2e-3, warmUp: 80, floor: 0.05 },
  /** Decay is on matrices only. */
  optimiser: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  clip: 1,
  /** Steps between two looks at validation loss and heads. */
  look: 50,
} as const;

/**
 * How a weight starts.
 *  - Embeddings with deviation 1, far larger than what a layer adds: every token then still carries itself when the next
 *    layer looks for it. With 1/√d, drowned by the first layer, no previous-token head formed in five million tokens; with 1,
 *    a model of two layers has its induction circuit after 150 steps (`qkv train --task heads`).
 *  - The last norm with 1/√d, since the same matrix is the output layer: logits start with deviation 1.
 *  - Matrices with 1/√fan-in; what is added to the stream another 1/√(2·layers) smaller (Radford et al. 2019, §2.3).
 *  - Constant parts of q and k with 0.5, so that each head starts with a taste for some distance.
 */
export function startOf(name: string): Initialiser | undefined {
  const { num_hidden_layers: layers, hidden_size: d } = recipe.config;
  if (name === "model.embed_tokens.weight") return normal(1);
  if (name === "model.norm.weight") return scaled(ones, 1 / Math.sqrt(d));
  if (name.endsWith("norm.weight")) return ones;
  if (/(q_proj|k_proj)\.bias$/.test(name)) return normal(0.5);
  if (name.endsWith(".bias")) return zeros;
  if (/(o_proj|down_proj)\.weight$/.test(name)) return scaled(keepVariance, 1 / Math.sqrt(2 * layers));
  return keepVariance;
}

function scaled(start: Initialiser, factor: number): Initialiser {
  return (into, shape, random) => {
    start(into, shape, random);
    for (let i = 0; i < into.length; i++) into[i]! *= factor;
  };
}
