/**
 * @file Architectures of GGUF files that we have: what their metadata says as a config, and their tensors' names.
 *
 *     blk.3.attn_q.weight  ⇄  model.layers.3.self_attn.q_proj.weight        Llama and its kin, Starcoder2
 *     blk.3.attn_qkv.weight  ⇄  h.3.attn.c_attn.weight                      GPT-2
 *     enc.blk.3.attn_q.weight  ⇄  encoder.block.3.layer.0.SelfAttention.q.weight    T5
 *
 * Names: https://github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py (MIT).
 */
import type { ConfigJson } from "../../config.js";
import { apart, type Change, halves, minusOne, turned } from "./changes.js";

/** Metadata of the architecture ("llama.block_count" as "block_count"), and which tensors there are. */
export interface Described {
  need(key: string): number;
  maybe(key: string): number | undefined;
  flag(key: string): boolean | undefined;
  has(tensor: string): boolean;
  /** Rows of a tensor; 0 where there is none. */
  rows(tensor: string): number;
  /** The numbers of a small tensor. */
  numbers(tensor: string): number[] | undefined;
  /** Rows of the word table. */
  vocabulary: number;
  ropeScaling: ConfigJson | undefined;
}

export interface Family {
  config(d: Described): ConfigJson;
  /** Parts of layers: GGUF's name → the checkpoint's. */
  layers: readonly Layers[] | ((has: (tensor: string) => boolean) => readonly Layers[]);
  /** Tensors outside layers, without ".weight" and ".bias". */
  rest: Readonly<Record<string, string>>;
  /** What is to be done to a tensor's numbers, by the checkpoint's name; nothing where they are as it has them. */
  change?(name: string, config: ConfigJson): Change | undefined;
  /** Heads may turn in part. */
  turnsInPart?: boolean;
}

/** "blk.3.attn_q" ⇄ "model.layers.3.self_attn.q_proj". */
interface Layers {
  from: string;
  to: string;
  parts: Readonly<Record<string, string>>;
}

const attention = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
};
const headNorms = { attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" };
const gated = { ffn_gate: "mlp.gate_proj", ffn_up: "mlp.up_proj", ffn_down: "mlp.down_proj" };
const model = { from: "blk", to: "model.layers" };
const rest = { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" };

function decoder({ need, maybe, has, vocabulary, ropeScaling }: Described) {
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

/** @param interleaved  rows of q and k are interleaved within each head, since llama.cpp turns neighbours */
function llamaLike(type: string, { interleaved = false } = {}): Family {
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
    layers: [{ ...model, parts: { ...attention, ...headNorms, ...gated } }],
    rest,
    ...(interleaved && {
      change(name, config) {
        const found = /self_attn\.([qk])_proj\.(weight|bias)$/.exec(name);
        const heads = { q: config["num_attention_heads"], k: config["num_key_value_heads"] };
        return found ? halves(heads[found[1] as "q" | "k"] as number) : undefined;
      },
    }),
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
  layers: [{ ...model, parts: { ...attention, ffn_up: "mlp.c_fc", ffn_down: "mlp.c_proj" } }],
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
    {
      from: "blk",
      to: "h",
      parts: {
        attn_norm: "ln_1",
        attn_qkv: "attn.c_attn",
        attn_output: "attn.c_proj",
        ffn_norm: "ln_2",
        ffn_up: "mlp.c_fc",
        ffn_down: "mlp.c_proj",
      },
    },
  ],
  rest: { token_embd: "wte", position_embd: "wpe", output_norm: "ln_f", output: "lm_head" },
  change: (name) => (/^h\.\d+\.(attn|mlp)\.\w+\.weight$/.test(name) ? turned : undefined),
};

const phi3: Family = {
  config(d) {
    const own = decoder(d);
    const [long, short] = ["long", "short"].map((which) => d.numbers(`rope_factors_${which}.weight`));
    const original = d.maybe("rope.scaling.original_context_length");
    return {
      ...own,
      model_type: "phi3",
      rms_norm_eps: d.need("attention.layer_norm_rms_epsilon"),
      sliding_window: d.maybe("attention.sliding_window") || null, // 0 says none
      partial_rotary_factor: (d.maybe("rope.dimension_count") ?? own.head_dim) / own.head_dim,
      ...(long && {
        original_max_position_embeddings: original,
        rope_scaling: {
          rope_type: "longrope",
          long_factor: long,
          short_factor: short,
          attention_factor: d.maybe("rope.scaling.attn_factor"),
        },
      }),
    };
  },
  turnsInPart: true,
  layers: [
    {
      ...model,
      parts: { ...attention, attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj", ffn_down: "mlp.down_proj" },
    },
  ],
  rest,
};

const sandwiched = {
  ...attention,
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/**
 * Scores are scaled by 1/√(size of a head), but in the 27 billion weights of Gemma 2 and 3 by 1/√(width/heads): files do
 * not say which, llama.cpp knows them by their number of layers.
 */
function gemma(type: string, { largest, parts }: { largest?: number; parts: Layers["parts"] }): Family {
  return {
    config(d) {
      const own = decoder(d);
      const { hidden_size: width, num_attention_heads: heads, num_hidden_layers: layers, head_dim: size } = own;
      return {
        ...own,
        model_type: type,
        rms_norm_eps: d.need("attention.layer_norm_rms_epsilon"),
        hidden_activation: "gelu_pytorch_tanh",
        tie_word_embeddings: !d.has("output.weight"),
        query_pre_attn_scalar: layers === largest ? width / heads : size,
        attn_logit_softcapping: d.maybe("attn_logit_softcapping") ?? null,
        final_logit_softcapping: d.maybe("final_logit_softcapping") ?? null,
        ...(type === "gemma3_text" && {
          rope_theta: d.maybe("rope.freq_base") ?? 1e6,
          rope_local_base_freq: d.maybe("rope.freq_base_swa") ?? 1e4,
        }),
      };
    },
    layers: [{ ...model, parts: { ...parts, ...gated } }],
    rest,
    change: (name) => (name.endsWith("norm.weight") ? minusOne : undefined),
  };
}

const olmo2: Family = {
  config: (d) => ({
    ...decoder(d),
    model_type: "olmo2",
    rms_norm_eps: d.need("attention.layer_norm_rms_epsilon"),
    attention_bias: d.has("blk.0.attn_q.bias"),
  }),
  layers: [{ ...model, parts: { ...sandwiched, ...headNorms, ...gated } }],
  rest,
};

const gptneox: Family = {
  config(d) {
    const own = decoder(d);
    return {
      ...own,
      model_type: "gpt_neox",
      layer_norm_eps: d.need("attention.layer_norm_epsilon"),
      use_parallel_residual: d.flag("use_parallel_residual") ?? true,
      rotary_pct: (d.maybe("rope.dimension_count") ?? own.head_dim) / own.head_dim,
    };
  },
  turnsInPart: true,
  layers: [
    {
      from: "blk",
      to: "gpt_neox.layers",
      parts: {
        attn_norm: "input_layernorm",
        ffn_norm: "post_attention_layernorm",
        attn_qkv: "attention.query_key_value",
        attn_output: "attention.dense",
        ffn_up: "mlp.dense_h_to_4h",
        ffn_down: "mlp.dense_4h_to_h",
      },
    },
  ],
  rest: { token_embd: "gpt_neox.embed_in", output_norm: "gpt_neox.final_layer_norm", output: "embed_out" },
  change: (name, config) =>
    /attention\.query_key_value\.(weight|bias)$/.test(name)
      ? apart(config["num_attention_heads"] as number)
      : undefined,
};

/** Sentence encoders: no head, no pooler. RoBERTa's files begin their positions at 0, as BERT's. */
const bert: Family = {
  config: ({ need, vocabulary, rows }) => ({
    model_type: "bert",
    architectures: ["BertModel"],
    hidden_size: need("embedding_length"),
    num_hidden_layers: need("block_count"),
    num_attention_heads: need("attention.head_count"),
    intermediate_size: need("feed_forward_length"),
    max_position_embeddings: need("context_length"),
    layer_norm_eps: need("attention.layer_norm_epsilon"),
    type_vocab_size: rows("token_types.weight"),
    vocab_size: vocabulary,
  }),
  layers: [
    {
      from: "blk",
      to: "encoder.layer",
      parts: {
        attn_q: "attention.self.query",
        attn_k: "attention.self.key",
        attn_v: "attention.self.value",
        attn_output: "attention.output.dense",
        attn_output_norm: "attention.output.LayerNorm",
        ffn_up: "intermediate.dense",
        ffn_down: "output.dense",
        layer_output_norm: "output.LayerNorm",
      },
    },
  ],
  rest: {
    token_embd: "embeddings.word_embeddings",
    token_types: "embeddings.token_type_embeddings",
    position_embd: "embeddings.position_embeddings",
    token_embd_norm: "embeddings.LayerNorm",
  },
};

const t5Attention = (at: string): Record<string, string> => ({
  q: `${at}.q`,
  k: `${at}.k`,
  v: `${at}.v`,
  o: `${at}.o`,
  rel_b: `${at}.relative_attention_bias`,
});
const named = (prefix: string, parts: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(parts).map(([name, to]) => [prefix + name, to]));

function t5Stack(from: string, to: string, at: number, isGated: boolean): Layers {
  const dense = `layer.${at}.DenseReluDense`;
  return {
    from,
    to,
    parts: {
      ...named("attn_", t5Attention("layer.0.SelfAttention")),
      attn_norm: "layer.0.layer_norm",
      ...named("cross_attn_", t5Attention("layer.1.EncDecAttention")),
      cross_attn_norm: "layer.1.layer_norm",
      ffn_norm: `layer.${at}.layer_norm`,
      ffn_down: `${dense}.wo`,
      ffn_gate: `${dense}.wi_0`,
      ffn_up: `${dense}.${isGated ? "wi_1" : "wi"}`,
    },
  };
}

const t5: Family = {
  config: ({ need, maybe, has, vocabulary }) => ({
    model_type: "t5",
    d_model: need("embedding_length"),
    d_ff: need("feed_forward_length"),
    d_kv: need("attention.key_length"),
    num_heads: need("attention.head_count"),
    num_layers: need("block_count"),
    num_decoder_layers: maybe("decoder_block_count") ?? need("block_count"),
    layer_norm_epsilon: maybe("attention.layer_norm_rms_epsilon") ?? 1e-6,
    relative_attention_num_buckets: need("attention.relative_buckets_count"),
    relative_attention_max_distance: 128, // not in the file: llama.cpp takes it for every T5
    decoder_start_token_id: maybe("decoder_start_token_id") ?? 0,
    feed_forward_proj: has("enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu",
    tie_word_embeddings: !has("output.weight"),
    vocab_size: vocabulary,
  }),
  layers(has) {
    const isGated = has("enc.blk.0.ffn_gate.weight");
    return [t5Stack("enc.blk", "encoder.block", 1, isGated), t5Stack("dec.blk", "decoder.block", 2, isGated)];
  },
  rest: {
    token_embd: "shared",
    output: "lm_head",
    "enc.output_norm": "encoder.final_layer_norm",
    "dec.output_norm": "decoder.final_layer_norm",
  },
};

/** By `general.architecture`. */
export const families: Readonly<Record<string, Family>> = {
  llama: llamaLike("llama", { interleaved: true }),
  mistral: llamaLike("mistral"),
  qwen2: llamaLike("qwen2"),
  qwen3: llamaLike("qwen3"),
  starcoder2,
  phi3,
  gemma: gemma("gemma", { parts: attention }),
  gemma2: gemma("gemma2", { largest: 46, parts: sandwiched }),
  gemma3: gemma("gemma3_text", { largest: 62, parts: { ...sandwiched, ...headNorms } }),
  olmo2,
  gptneox,
  gpt2,
  bert,
  t5,
};

/** The checkpoint's name of a GGUF tensor; undefined for what is no weight. */
export function checkpointName(layers: readonly Layers[], rest: Family["rest"], name: string): string | undefined {
  const found = /^((?:(\w+\.)?blk)\.(\d+)\.)?([\w.]+)\.(weight|bias)$/.exec(name);
  if (!found) return undefined;
  const [, , , layer, part, kind] = found;
  if (layer === undefined) return rest[part!] && `${rest[part!]}.${kind}`;
  const stack = layers.find(({ from }) => name.startsWith(`${from}.${layer}.`));
  const to = stack?.parts[part!];
  return to && `${stack.to}.${layer}.${to}.${kind}`;
}
