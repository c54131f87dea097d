/** @file The recipe of the bundled model: every number that its weights follow from. */
import { type Initialiser, keepVariance } from "../../nn/index.js";
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
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: 0,
    dtype: "float16",
  },
  /** Ends a text; id 0. */
  specials: ["<|endoftext|>"],
  /** Three rows of eight repeat a stretch: induction forms on them, and in far fewer tokens than on text alone. */
  batch: { rows: 8, length: 256, repeatedText: 1, repeatedRandom: 2, vocabulary: 512, first: 1 } satisfies BatchOptions,
  /** Rows that go through the model at once. */
  microBatch: 4,
  steps: 3600,
  learningRate: { peak: 2e-3, warmUp: 80, floor: 0.05 },
  /** Decay is on matrices only. */
  optimiser: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  clip: 1,
  /** Steps between two looks at validation loss and heads. */
  look: 50,
} as const;

/**
 * How a weight starts: 1/√fan-in, and what is added to the stream another 1/√(2·layers) smaller, so that the sum over all
 * layers starts as large as one (Radford et al. 2019, §2.3).
 */
export function startOf(name: string): Initialiser | undefined {
  if (name.endsWith("norm.weight")) return undefined; // ones
  if (!/(o_proj|down_proj)\.weight$/.test(name)) return keepVariance;
  const share = 1 / Math.sqrt(2 * recipe.config.num_hidden_layers);
  return (into, shape, random) => {
    keepVariance(into, shape, random);
    for (let i = 0; i < into.length; i++) into[i]! *= share;
  };
}
