/** Checkpoints of this repository written as GGUF files, the way llama.cpp's converter does, give the checkpoint's numbers. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Tensor, tensor, readSafetensors } from "../../../tensor/index.js";
import { turn } from "../../conv1d.js";
import { buildModel } from "../build.js";
import { loadModel } from "../load-model.js";
import { memorySource } from "../source.js";
import { ggufModel } from "./model.js";
import { openGguf } from "./open.js";

const data = fileURLToPath(new URL("../../../../test/goldens/data/", import.meta.url));

type Value = string | number;

/** A GGUF file of version 3: texts, whole numbers and float64 in its metadata, float32 tensors. */
function gguf(metadata: Record<string, Value>, tensors: [string, Tensor][]): Uint8Array {
  const bytes: number[] = [];
  const put = (width: number, write: (view: DataView) => void): void => {
    const view = new DataView(new ArrayBuffer(width));
    write(view);
    bytes.push(...new Uint8Array(view.buffer));
  };
  const u32 = (n: number): void => put(4, (v) => v.setUint32(0, n, true));
  const u64 = (n: number): void => put(8, (v) => v.setBigUint64(0, BigInt(n), true));
  const text = (s: string): void => {
    const utf8 = new TextEncoder().encode(s);
    u64(utf8.length);
    bytes.push(...utf8);
  };
  bytes.push(...new TextEncoder().encode("GGUF"));
  u32(3);
  u64(tensors.length);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    if (typeof value === "string") {
      u32(8);
      text(value);
    } else if (Number.isInteger(value)) {
      u32(4);
      u32(value);
    } else {
      u32(12);
      put(8, (v) => v.setFloat64(0, value, true));
    }
  }
  let offset = 0;
  for (const [name, { shape, size }] of tensors) {
    text(name);
    u32(shape.length);
    for (const d of [...shape].reverse()) u64(d);
    u32(0); // F32
    u64(offset);
    offset += Math.ceil((size * 4) / 32) * 32;
  }
  const start = Math.ceil(bytes.length / 32) * 32;
  const out = new Uint8Array(start + offset);
  out.set(bytes);
  let at = start;
  for (const [, { data, size }] of tensors) {
    out.set(new Uint8Array(Float32Array.from(data).buffer), at);
    at += Math.ceil((size * 4) / 32) * 32;
  }
  return out;
}

const opened = (folder: string) => {
  const config = JSON.parse(readFileSync(`${data}${folder}/model/config.json`, "utf8"));
  return { config, whole: readSafetensors(readFileSync(`${data}${folder}/model/model.safetensors`)) };
};

const load = (bytes: Uint8Array) => buildModel(ggufModel(openGguf(memorySource(bytes, "made.gguf")), "made.gguf"));

describe("GGUF", () => {
  test("GPT-2: turned matrices, learned positions", async () => {
    const { config, whole } = opened("gpt2/lm-h4-d32");
    const names: Record<string, string> = {
      wte: "token_embd", wpe: "position_embd", ln_f: "output_norm", ln_1: "attn_norm", "attn.c_attn": "attn_qkv",
      "attn.c_proj": "attn_output", ln_2: "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    }; // biome-ignore format: a table
    const tensors = whole.names
      .filter((n) => !/\.attn\.(bias|masked_bias)$|lm_head/.test(n))
      .map((name): [string, Tensor] => {
        const [, layer, part, kind] = /^(?:transformer\.)?(?:h\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
        const value = whole.tensor(name);
        const isMatrix = layer !== undefined && value.shape.length === 2;
        return [`${layer === undefined ? "" : `blk.${layer}.`}${names[part!]}.${kind}`, isMatrix ? turn(value) : value];
      });
    const made = load(
      gguf(
        {
          "general.architecture": "gpt2",
          "gpt2.block_count": config.n_layer,
          "gpt2.context_length": config.n_positions,
          "gpt2.embedding_length": config.n_embd,
          "gpt2.feed_forward_length": config.n_inner ?? 4 * config.n_embd,
          "gpt2.attention.head_count": config.n_head,
          "gpt2.attention.layer_norm_epsilon": config.layer_norm_epsilon,
        },
        tensors,
      ),
    );
    const own = await loadModel(`${data}gpt2/lm-h4-d32/model`);
    const inputs = { inputIds: [[3, 1, 4, 1, 5, 9, 2]] };
    expect(made.forward(inputs).logits!.data).toEqual(own.forward(inputs).logits!.data);
  });

  test("Starcoder2: LayerNorm, biases, no gate", async () => {
    const { config, whole } = opened("starcoder2/tiny");
    const names: Record<string, string> = {
      "model.embed_tokens": "token_embd", "model.norm": "output_norm", lm_head: "output", input_layernorm: "attn_norm",
      post_attention_layernorm: "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
      "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    }; // biome-ignore format: a table
    const tensors = whole.names.map((name): [string, Tensor] => {
      const [, layer, part, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
      return [`${layer === undefined ? "" : `blk.${layer}.`}${names[part!]}.${kind}`, whole.tensor(name)];
    });
    const made = load(
      gguf(
        {
          "general.architecture": "starcoder2",
          "starcoder2.block_count": config.num_hidden_layers,
          "starcoder2.context_length": config.max_position_embeddings,
          "starcoder2.embedding_length": config.hidden_size,
          "starcoder2.feed_forward_length": config.intermediate_size,
          "starcoder2.attention.head_count": config.num_attention_heads,
          "starcoder2.attention.head_count_kv": config.num_key_value_heads,
          "starcoder2.attention.layer_norm_epsilon": config.norm_epsilon,
          "starcoder2.rope.freq_base": config.rope_theta ?? config.rope_parameters.rope_theta,
          ...(config.sliding_window && { "starcoder2.attention.sliding_window": config.sliding_window }),
        },
        tensors,
      ),
    );
    const own = await loadModel(`${data}starcoder2/tiny/model`);
    const inputs = { inputIds: [[3, 1, 4, 1, 5, 9, 2]] };
    expect(made.forward(inputs).logits!.data).toEqual(own.forward(inputs).logits!.data);
  });

  const mistral = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 8,
    "llama.feed_forward_length": 8,
    "llama.attention.head_count": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
  };
  const settings = (more: Record<string, Value>) => {
    const bytes = gguf({ ...mistral, ...more }, [["token_embd.weight", tensor([1, 2], [1, 2])]]);
    return ggufModel(openGguf(memorySource(bytes, "made.gguf")), "made.gguf");
  };

  test("Mistral, which names itself llama, keeps its window; a turn's end ends a text too", () => {
    const { config, endIds } = settings({
      "llama.attention.sliding_window": 5,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.eot_token_id": 7,
    });
    expect(config["sliding_window"]).toBe(5);
    expect(config["layer_types"]).toEqual(["sliding_attention", "sliding_attention"]);
    expect(endIds).toEqual([2, 7]);
  });

  test("heads that turn in part are refused, not turned whole", () => {
    expect(() => settings({ "llama.rope.dimension_count": 2 })).toThrowErrorMatchingInlineSnapshot(
      `[FileError: loadModel: "llama.rope.dimension_count" of made.gguf is 2; expected 4, the size of a head. Fix: load the model's Hugging Face folder instead.]`,
    );
  });

  test("an architecture that we have not is one line that names those we have", () => {
    const bytes = gguf({ "general.architecture": "nomic-bert" }, [["token_embd.weight", tensor([1, 2], [1, 2])]]);
    expect(() => load(bytes)).toThrowErrorMatchingInlineSnapshot(
      `[FileError: loadModel: "general.architecture" of made.gguf is "nomic-bert"; nearest is "bert"; expected one of llama, mistral, qwen2, qwen3, starcoder2, phi3, gemma, gemma2, gemma3, olmo2, gptneox, gpt2, bert, t5. Fix: load the model's Hugging Face folder instead.]`,
    );
  });
});
