/** What checkpoints in the wild say in one way or another, and what is made of it. */
import { expect, test } from "vitest";
import { Config } from "./config.js";
import { loadModel, type Model } from "./index.js";
import { architectureOf } from "./registry.js";
import { checkpointOf, llamaBody, prefixed, type Shapes, tinyLlama } from "./testing.js";

const bert = {
  model_type: "bert",
  architectures: ["BertForMaskedLM"],
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 11,
  max_position_embeddings: 6,
};
const encoder: Shapes = {
  "embeddings.word_embeddings.weight": [11, 8],
  "embeddings.position_embeddings.weight": [6, 8],
  "embeddings.token_type_embeddings.weight": [2, 8],
  "embeddings.LayerNorm.weight": [8],
  "embeddings.LayerNorm.bias": [8],
  ...Object.fromEntries(
    [
      ["attention.self.query", 8, 8],
      ["attention.self.key", 8, 8],
      ["attention.self.value", 8, 8],
      ["attention.output.dense", 8, 8],
      ["intermediate.dense", 12, 8],
      ["output.dense", 8, 12],
    ].flatMap(([name, rows, columns]) => [
      [`encoder.layer.0.${name}.weight`, [rows, columns]],
      [`encoder.layer.0.${name}.bias`, [rows]],
    ]),
  ),
  "encoder.layer.0.attention.output.LayerNorm.weight": [8],
  "encoder.layer.0.attention.output.LayerNorm.bias": [8],
  "encoder.layer.0.output.LayerNorm.weight": [8],
  "encoder.layer.0.output.LayerNorm.bias": [8],
};
const words: Shapes = {
  ...encoder,
  "cls.predictions.bias": [11],
  "cls.predictions.transform.dense.weight": [8, 8],
  "cls.predictions.transform.dense.bias": [8],
  "cls.predictions.transform.LayerNorm.weight": [8],
  "cls.predictions.transform.LayerNorm.bias": [8],
};
const open = (config: object, shapes: Shapes, like: Record<string, string> = {}): Promise<Model> =>
  loadModel({ config: config as never, weights: checkpointOf(shapes, like) });
const logits = async (model: Promise<Model>): Promise<number[]> => [
  ...(await model).forward({ inputIds: [[1, 4, 2]] }).logits!.data,
];
const said = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: Error) => error.message,
  );

test("a head that differs from the embedding is used even where the config says tied; a copy is not", async () => {
  const shapes = { ...prefixed(llamaBody), "lm_head.weight": [11, 8] };
  const untied = await logits(open({ ...tinyLlama, tie_word_embeddings: false }, shapes));
  expect(await logits(open({ ...tinyLlama, tie_word_embeddings: true }, shapes))).toEqual(untied);
  const copy = { "lm_head.weight": "model.embed_tokens.weight" };
  const tied = await open({ ...tinyLlama, tie_word_embeddings: true }, shapes, copy);
  expect(Object.keys(tied.parameters())).not.toContain("lm_head.weight");
  expect(await logits(open({ ...tinyLlama, tie_word_embeddings: true }, prefixed(llamaBody)))).not.toEqual(untied);
});

test("a bare body has states and no logits", async () => {
  const bare = await open({ ...tinyLlama, architectures: ["LlamaModel"], tie_word_embeddings: false }, llamaBody);
  expect(bare.forward({ inputIds: [[1, 2]] }).logits).toBeUndefined();
  await expect(bare.generate([1, 2], { maxNewTokens: 1 }).next()).rejects.toThrow(
    "generate: model is a llama without an output layer; expected a language model. Fix: forward() gives its states, embed() its vectors.",
  );
});

test("several end tokens and no pad token: rows of unequal length are read", async () => {
  const model = await open({ ...tinyLlama, eos_token_id: [3, 5] }, prefixed(llamaBody));
  expect(model.padId).toBe(3);
  expect(model.forward({ inputIds: [[1, 2], [1]] }).logits!.shape).toEqual([2, 2, 11]);
});

test("stretched positions lengthen the context", async () => {
  const stretched = (rope_scaling: object) => open({ ...tinyLlama, rope_scaling }, prefixed(llamaBody));
  expect((await stretched({ type: "dynamic", factor: 4 })).contextLength).toBe(24);
  expect((await stretched({ rope_type: "linear", factor: 2.5 })).contextLength).toBe(15);
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 6 };
  expect((await stretched(yarn)).contextLength).toBe(24);
  expect((await stretched({ rope_type: "default" })).contextLength).toBe(6);
});

test("rotary settings that are half there, or for each kind of layer apart, are named", async () => {
  const refused = (rope_parameters: object) => said(open({ ...tinyLlama, rope_parameters }, prefixed(llamaBody)));
  expect(await refused({ rope_type: "longrope", short_factor: [1], long_factor: [1, 2], factor: 2 })).toBe(
    'loadModel: "short_factor" of config.json has 1 entries; expected 2 numbers, one for each pair that turns.',
  );
  expect(await refused({ full_attention: { rope_type: "default" } })).toBe(
    'loadModel: "rope_parameters" of config.json has "full_attention"; expected the same for every layer.',
  );
  expect(await refused({ rope_type: "linear", factor: "2" })).toBe(
    'loadModel: "factor" of config.json is "2"; expected a number.',
  );
});

test("masked words: an output matrix of its own is used with its own bias", async () => {
  const own = { ...words, "cls.predictions.decoder.weight": [11, 8], "cls.predictions.decoder.bias": [11] };
  const untied = await open({ ...bert, tie_word_embeddings: false }, own);
  expect(Object.keys(untied.parameters())).toContain("cls.predictions.decoder.bias");
  expect(await logits(open(bert, own))).not.toEqual(await logits(open(bert, words)));
});

test("an answer's place and the next sentence have scores", async () => {
  const answer = { ...encoder, "qa_outputs.weight": [2, 8], "qa_outputs.bias": [2] };
  const qa = await open({ ...bert, architectures: ["BertForQuestionAnswering"] }, answer);
  expect(qa.forward({ inputIds: [[1, 2, 3]] }).logits!.shape).toEqual([1, 3, 2]);
  const next = {
    ...encoder,
    "pooler.dense.weight": [8, 8],
    "pooler.dense.bias": [8],
    "cls.seq_relationship.weight": [2, 8],
    "cls.seq_relationship.bias": [2],
  };
  const nsp = await open({ ...bert, architectures: ["BertForNextSentencePrediction"] }, next);
  expect(nsp.forward({ inputIds: [[1, 2, 3]] }).logits!.shape).toEqual([1, 2]);
});

test("BERT that is no encoder, or has positions by distance, is refused", async () => {
  expect(await said(open({ ...bert, is_decoder: true }, words))).toBe(
    'loadModel: "is_decoder" of config.json is true; expected false: this reads BERT as an encoder. Fix: load a decoder, such as GPT-2.',
  );
  expect(await said(open({ ...bert, position_embedding_type: "relative_key" }, words))).toBe(
    'loadModel: "position_embedding_type" of config.json is "relative_key"; expected "absolute".',
  );
});

// What transformers 5.24's config classes take for a missing num_key_value_heads, of 64 query heads.
test.each([
  ["llama", 64],
  ["mistral", 8],
  ["qwen2", 32],
  ["qwen3", 32],
  ["starcoder2", 2],
  ["phi3", 64],
  ["gemma", 16],
  ["gemma2", 4],
  ["gemma3_text", 4],
  ["olmo2", 64],
])("%s without num_key_value_heads has %i of 64; null is one a query head", (model_type, keyHeads) => {
  const config = { ...tinyLlama, model_type, hidden_size: 128, head_dim: 2, num_attention_heads: 64 };
  const rows = (num_key_value_heads?: null): number => {
    const json = { ...config, num_key_value_heads };
    const shapes = new Map(new (architectureOf(new Config(json)).make)(new Config(json), { name: "small" }).named());
    const fused = shapes.get("model.layers.0.self_attn.qkv_proj.weight")?.shape[0];
    return fused === undefined ? shapes.get("model.layers.0.self_attn.k_proj.weight")!.shape[0]! : (fused - 128) / 2;
  };
  expect(rows()).toBe(keyHeads * 2);
  expect(rows(null)).toBe(64 * 2);
});
