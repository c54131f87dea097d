/**
 * @file A GGUF file as a model: its metadata as a config, its tensors under checkpoint names, its tokenizer.
 *
 *     blk.3.attn_q.weight  ⇄  model.layers.3.self_attn.q_proj.weight
 *
 * llama.cpp turns neighbouring pairs where checkpoints turn halves, so its converter interleaves the rows of q and k
 * for the "llama" architecture; they are put back here. https://github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py.
 */
import { FileError, nearestName, type Tensor, tensor } from "../../../tensor/index.js";
import type { ConfigJson } from "../../config.js";
import type { ModelFiles } from "../files.js";
import { fileSource } from "../source.js";
import type { Weights } from "../weights.js";
import { openGguf } from "./open.js";
import { ggufTokenizer } from "./tokenizer.js";

/** Opens a .gguf file (Node). */
export async function ggufFiles(path: string): Promise<ModelFiles> {
  const source = await fileSource(path);
  try {
    return ggufModel(openGguf(source), path);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Architectures of GGUF files that are the Llama family under other names. */
const families: Readonly<Record<string, string>> = {
  llama: "llama",
  mistral: "mistral",
  qwen2: "qwen2",
  qwen3: "qwen3",
};

/** An open GGUF file as a model's files. */
export function ggufModel(weights: Weights, name: string): ModelFiles {
  const { metadata } = weights;
  const family = metadata["general.architecture"] as string;
  if (!Object.hasOwn(families, family ?? "")) {
    const nearest = nearestName(String(family), Object.keys(families));
    throw new FileError({
      where: "loadModel",
      argument: `"general.architecture" of ${name}`,
      got: family === undefined ? "is missing" : `is "${family}"${nearest ? `; nearest is "${nearest}"` : ""}`,
      expected: `one of ${Object.keys(families).join(", ")}`,
      fix: "load the model's Hugging Face folder instead",
    });
  }
  const config = configOf(metadata, families[family]!, weights, name);
  const end = metadata["tokenizer.ggml.eos_token_id"] as number | undefined;
  const divisors = weights.names.includes("rope_freqs.weight") ? weights.tensor("rope_freqs.weight").data : undefined;
  return {
    name,
    config,
    configFile: `the metadata of ${name}`,
    weights: checkpointNames(weights, family, config),
    tokenizer: ggufTokenizer(metadata, name),
    ...(end !== undefined && { endIds: [end] }),
    ropeDivisors: divisors,
  };
}

function configOf(metadata: Weights["metadata"], family: string, weights: Weights, file: string): ConfigJson {
  const arch = metadata["general.architecture"] as string;
  const maybe = (key: string): number | undefined => metadata[`${arch}.${key}`] as number | undefined;
  const need = (key: string): number => {
    const value = maybe(key);
    if (typeof value === "number") return value;
    const argument = `"${arch}.${key}" of ${file}`;
    throw new FileError({ where: "loadModel", argument, got: value === undefined ? "is missing" : "is no number" });
  };
  const heads = need("attention.head_count");
  const d = need("embedding_length");
  const scaling = metadata[`${arch}.rope.scaling.type`] as string | undefined;
  const [rows] = weights.info("token_embd.weight").shape;
  const has = (name: string): boolean => weights.names.includes(name);
  return {
    model_type: family,
    hidden_size: d,
    num_hidden_layers: need("block_count"),
    intermediate_size: need("feed_forward_length"),
    num_attention_heads: heads,
    num_key_value_heads: maybe("attention.head_count_kv") ?? heads,
    head_dim: maybe("attention.key_length") ?? d / heads,
    max_position_embeddings: maybe("context_length") ?? 2048,
    rms_norm_eps: need("attention.layer_norm_rms_epsilon"),
    rope_theta: maybe("rope.freq_base") ?? 10000,
    ...(scaling && scaling !== "none" && { rope_scaling: ropeScaling(metadata, arch, scaling) }),
    vocab_size: rows!,
    tie_word_embeddings: !has("output.weight"),
    attention_bias: family !== "qwen2" && has("blk.0.attn_q.bias"),
    mlp_bias: has("blk.0.ffn_gate.bias"),
    sliding_window: maybe("attention.sliding_window") ?? null,
    bos_token_id: metadata["tokenizer.ggml.bos_token_id"] ?? null,
    eos_token_id: metadata["tokenizer.ggml.eos_token_id"] ?? null,
    pad_token_id: metadata["tokenizer.ggml.padding_token_id"] ?? null,
  };
}

function ropeScaling(metadata: Weights["metadata"], arch: string, type: string): Record<string, unknown> {
  const of = (key: string): unknown => metadata[`${arch}.rope.scaling.${key}`];
  return {
    rope_type: type,
    factor: of("factor"),
    original_max_position_embeddings: of("original_context_length"),
    attention_factor: of("attn_factor"),
  };
}

/** GGUF's names for the parts of a layer. */
const parts: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

/** The checkpoint's name of a GGUF tensor; undefined for what is no weight. */
export function checkpointName(name: string): string | undefined {
  const layer = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (layer) return parts[layer[2]!] && `model.layers.${layer[1]}.${parts[layer[2]!]}.${layer[3]}`;
  return {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  }[name];
}

function checkpointNames(weights: Weights, family: string, config: ConfigJson): Weights {
  const own = new Map<string, string>();
  for (const name of weights.names) if (name !== "rope_freqs.weight") own.set(checkpointName(name) ?? name, name);
  const heads = { q: config["num_attention_heads"] as number, k: config["num_key_value_heads"] as number };
  const turnedHeads = (name: string): number | undefined => {
    const found = family === "llama" && /self_attn\.([qk])_proj\.(weight|bias)$/.exec(name);
    return found ? heads[found[1] as "q" | "k"] : undefined;
  };
  return {
    ...weights,
    names: [...own.keys()],
    info: (name) => weights.info(own.get(name) ?? name),
    tensor(name) {
      const value = weights.tensor(own.get(name) ?? name);
      const turned = turnedHeads(name);
      return turned ? halves(value, turned) : value;
    },
    rows(name) {
      const rows = weights.rows(own.get(name) ?? name);
      const turned = turnedHeads(name);
      if (!turned) return rows;
      let whole: Tensor | undefined; // rows of a head change places: a small matrix is read at once
      return {
        shape: rows.shape,
        read(from, to) {
          whole ??= halves(rows.read(0, rows.shape[0]!), turned);
          const width = whole.shape[1]!;
          return tensor(whole.data.subarray(from * width, to * width), [to - from, width]);
        },
      };
    },
  };
}

/** Rows 0, 2, 4 … then 1, 3, 5 … of every head: pairs of neighbours become pairs of halves. */
function halves(x: Tensor, heads: number): Tensor {
  const rows = x.shape[0]!;
  const width = x.size / rows;
  const D = rows / heads;
  const out = new Float32Array(x.size);
  for (let h = 0; h < heads; h++) {
    for (let i = 0; i < D; i++) {
      const from = h * D + (i < D / 2 ? 2 * i : 2 * (i - D / 2) + 1);
      out.set(x.data.subarray(from * width, (from + 1) * width), (h * D + i) * width);
    }
  }
  return tensor(out, x.shape);
}
