/**
 * @file Architectures of GGUF files that we have: what their metadata says as a config, and their tensors' names.
 *
 *     blk.3.attn_q.weight  ⇄  model.layers.3.self_attn.q_proj.weight        Llama and its kin, Starcoder2
 *     blk.3.attn_qkv.weight  ⇄  h.3.attn.c_attn.weight                      GPT-2, whose matrices the converter turned
 *
 * Names: https://github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py (MIT).
 */
import type { ConfigJson } from "../../config.js";

/** Metadata of the architecture ("llama.block_count" as "block_count"), and which tensors there are. */
export interface Described {
  need(key: string): number;
  maybe(key: string): number | undefined;
  has(tensor: string): boolean;
  /** Rows of the word table. */
  vocabulary: number;
  ropeScaling: ConfigJson | undefined;
}

export interface Family {
  config(d: Described): ConfigJson;
  /** Parts of a layer: GGUF's name → the checkpoint's. */
  layers: readonly [prefix: string, parts: Readonly<Record<string, string>>];
  /** Tensors outside layers, without ".weight" and ".bias". */
  rest: Readonly<Record<string, string>>;
  /** Rows of q and k are interleaved within each head. */
  interleaved?: boolean;
  /** Layer matrices that checkpoints hold as [inputs, outputs]. */
  turned?: boolean;
}

const attention = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
};
const rest = { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" };

function decoder({ need, maybe, has, vocabulary, ropeScaling }: Described): Record<string, unknown> {
  const heads = need("attention.head_count");
  const d = need("embedding_length");
  return {
    hidden_size: d,
    num_hidden_layers: need("block_count"),
    intermediate_size: need("feed_forward_length"),
    num_attention_heads: heads,
    num_key_value_heads: maybe("attention.head_count_kv") ?? heads,
    head_dim: maybe("attention.key_length") ?? d / heads,
    max_position_embeddings: maybe("context_length") ?? 2048,
    rope_theta: maybe("rope.freq_base") ?? 10000,
    ...(ropeScaling && { rope_scaling: ropeScaling }),
    vocab_size: vocabulary,
    tie_word_embeddings: !has("output.weight"),
    sliding_window: maybe("attention.sliding_window") ?? null,
  };
}

function llamaLike(type: string, options: { interleaved?: boolean } = {}): Family {
  return {
    config: (d) => ({
      ...decoder(d),
      model_type: type,
      rms_norm_eps: d.need("attention.layer_norm_rms_epsilon"),
      attention_bias: type !== "qwen2" && d.has("blk.0.attn_q.bias"),
      mlp_bias: d.has("blk.0.ffn_gate.bias"),
      // Mistral's files name themselves "llama" and state their window.
      ...(type === "llama" &&
        d.maybe("attention.sliding_window") !== undefined && {
          layer_types: Array<string>(d.need("block_count")).fill("sliding_attention"),
        }),
    }),
    layers: [
      "model.layers",
      {
        ...attention,
        attn_q_norm: "self_attn.q_norm",
        attn_k_norm: "self_attn.k_norm",
        ffn_gate: "mlp.gate_proj",
        ffn_up: "mlp.up_proj",
        ffn_down: "mlp.down_proj",
      },
    ],
    rest,
    ...options,
  };
}

const starcoder2: Family = {
  config: (d) => ({
    ...decoder(d),
    model_type: "starcoder2",
    norm_epsilon: d.need("attention.layer_norm_epsilon"),
    use_bias: d.has("blk.0.attn_q.bias"),
    hidden_act: "gelu_pytorch_tanh",
  }),
  layers: ["model.layers", { ...attention, ffn_up: "mlp.c_fc", ffn_down: "mlp.c_proj" }],
  rest,
};

const gpt2: Family = {
  config: ({ need, has, vocabulary }) => ({
    model_type: "gpt2",
    n_embd: need("embedding_length"),
    n_layer: need("block_count"),
    n_head: need("attention.head_count"),
    n_inner: need("feed_forward_length"),
    n_positions: need("context_length"),
    layer_norm_epsilon: need("attention.layer_norm_epsilon"),
    activation_function: "gelu_new",
    vocab_size: vocabulary,
    tie_word_embeddings: !has("output.weight"),
  }),
  layers: [
    "h",
    {
      attn_norm: "ln_1",
      attn_qkv: "attn.c_attn",
      attn_output: "attn.c_proj",
      ffn_norm: "ln_2",
      ffn_up: "mlp.c_fc",
      ffn_down: "mlp.c_proj",
    },
  ],
  rest: { token_embd: "wte", position_embd: "wpe", output_norm: "ln_f", output: "lm_head" },
  turned: true,
};

/** By `general.architecture`. */
export const families: Readonly<Record<string, Family>> = {
  llama: llamaLike("llama", { interleaved: true }),
  mistral: llamaLike("mistral"),
  qwen2: llamaLike("qwen2"),
  qwen3: llamaLike("qwen3"),
  starcoder2,
  gpt2,
};

/** The checkpoint's name of a GGUF tensor; undefined for what is no weight. */
export function checkpointName({ layers: [prefix, parts], rest }: Family, name: string): string | undefined {
  const layer = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (layer) return parts[layer[2]!] && `${prefix}.${layer[1]}.${parts[layer[2]!]}.${layer[3]}`;
  const outside = /^(\w+)\.(weight|bias)$/.exec(name);
  return outside && rest[outside[1]!] !== undefined ? `${rest[outside[1]!]}.${outside[2]}` : undefined;
}
