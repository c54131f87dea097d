/** @file The recipe of the bundled model: every number that its weights follow from. */
import type { BatchOptions } from "../batches.js";

export const recipe = {
  seed: 1729,
  /** A Llama: rotary positions and short tokens let heads specialise within minutes. */
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
  specials: ["<|endoftext|>"],
  batch: { rows: 8, length: 256, repeatedText: 1, repeatedRandom: 2, vocabulary: 512, first: 1 } satisfies BatchOptions,
  /** Rows that go through the model at once. */
  microBatch: 4,
  steps: 3600,
  learningRate: { peak: 2e-3, warmUp: 80, floor: 0.05 },
  optimiser: { betas: [0.9, 0.98], epsilon: 1e-8, weightDecay: 0.1 },
  clip: 1,
} as const;
