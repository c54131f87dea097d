/** @file The recipe of the bundled model: every number that its weights follow from. */
import { type Initialiser, keepVariance, normal, ones, zeros } from "../../nn/index.js";
import type { BatchOptions } from "../batches.js";

export const recipe = {
  seed: 1729,
  /**
   * A Starcoder2: the Llama shape with LayerNorm and a plain feed-forward. Rotary positions and short tokens let heads
   * specialise within minutes, learned positions take hours.
   */
  config: {
    architectures: ["Starcoder2ForCausalLM"],
    model_type: "starcoder2",
    vocab_size: 512,
    hidden_size: 192,
    intermediate_size: 768,
    num_hidden_layers: 4,
    num_attention_heads: 6,
    num_key_value_heads: 6,
    hidden_act: "gelu",
    max_position_embeddings: 256,
    norm_epsilon: 1e-5,
    rope_theta: 10000,
    use_bias: true,
    sliding_window: null,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: 0,
    dtype: "float16",
  },
  /** Ends a text; id 0. */
  specials: ["<|endoftext|>"],
  /**
   * Five rows of sixteen repeat a stretch, on which induction forms; eleven are text as it comes.
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
  /** Induction is there after some 1,400 steps; the second, lower cosine is for the text. */
  learningRate: [
    { peak: 2e-3, warmUp: 80, steps: 2000, floor: 0.05 },
    { peak: 8e-4, warmUp: 20, steps: 700, floor: 0.02 },
  ],
  /** Decay is on matrices only. */
  optimiser: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  clip: 1,
  /** Steps between two looks at validation loss and heads. */
  look: 50,
} as const;

/**
 * How a weight starts: matrices and the embedding table with 1/√fan-in, constants with 0, norms with 1. Not with 0.02 as
 * GPT-2, and what is added to the stream is not made smaller with depth: both leave attention uniform for millions of tokens.
 */
export function startOf(name: string): Initialiser | undefined {
  if (name === "model.embed_tokens.weight") return normal(1 / Math.sqrt(recipe.config.hidden_size));
  if (name.endsWith("norm.weight")) return ones;
  if (name.endsWith(".bias")) return zeros;
  return keepVariance;
}
