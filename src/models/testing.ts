/** @file Small checkpoints for tests: shapes by name, numbers that follow from the name. */
import { tensor, writeSafetensors } from "../tensor/index.js";

export type Shapes = Record<string, number[]>;

/** A Llama of one layer with a shared key head. */
export const tinyLlama = {
  model_type: "llama",
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 11,
  max_position_embeddings: 6,
};

/** Its weights without the prefix "model.". */
export const llamaBody: Shapes = {
  "embed_tokens.weight": [11, 8],
  "layers.0.self_attn.q_proj.weight": [8, 8],
  "layers.0.self_attn.k_proj.weight": [4, 8],
  "layers.0.self_attn.v_proj.weight": [4, 8],
  "layers.0.self_attn.o_proj.weight": [8, 8],
  "layers.0.mlp.gate_proj.weight": [12, 8],
  "layers.0.mlp.up_proj.weight": [12, 8],
  "layers.0.mlp.down_proj.weight": [8, 12],
  "layers.0.input_layernorm.weight": [8],
  "layers.0.post_attention_layernorm.weight": [8],
  "norm.weight": [8],
};

/** As save_pretrained() of a language model names them. */
export const prefixed = (shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`model.${name}`, shape]));

/** @param like gives a weight the numbers of another */
export function checkpointOf(shapes: Shapes, like: Record<string, string> = {}): Uint8Array {
  const numbers = (name: string, shape: number[]): Float32Array => {
    const seed = [...(like[name] ?? name)].reduce((n, c) => n + c.charCodeAt(0), 0);
    return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + seed));
  };
  return writeSafetensors(
    Object.entries(shapes).map(([name, shape]) => ({ name, value: tensor(numbers(name, shape), shape) })),
  );
}
