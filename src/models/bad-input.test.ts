/** Everything a person can get wrong with a model: one line that says what, where and the way out. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { loadModel, type Model } from "./index.js";
import { buildModel } from "./load/build.js";
import { readWeights } from "./load/weights.js";
import { checkpointOf, llamaBody, prefixed, tinyLlama } from "./testing.js";

const folder = mkdtempSync(join(tmpdir(), "qkv-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = { ...tinyLlama, eos_token_id: 3 };
const shapes = prefixed(llamaBody);
const weights = checkpointOf(shapes);
const model = (): Promise<Model> => loadModel({ config, weights });
const message = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return (error as Error).message.replaceAll(folder, "FOLDER");
  }
  return "no error";
};
const without = (name: string): Record<string, number[]> =>
  Object.fromEntries(Object.entries(shapes).filter(([n]) => n !== name));

test("a folder without config.json", async () => {
  expect(await message(() => loadModel(folder))).toBe(
    'loadModel: FOLDER has no config.json; expected a folder with config.json and model.safetensors, as save_pretrained() writes it. Fix: give the folder that holds config.json, a .gguf file, a hub id or "bundled".',
  );
});
test("a folder with pickled weights only", async () => {
  const pickled = join(folder, "pickled");
  mkdirSync(pickled);
  writeFileSync(join(pickled, "config.json"), JSON.stringify(config));
  writeFileSync(join(pickled, "pytorch_model.bin"), "");
  expect(await message(() => loadModel(pickled))).toBe(
    'loadModel: FOLDER/pickled has no model.safetensors, only pickled weights, which are programs and are not run; expected model.safetensors, or model.safetensors.index.json and its parts. Fix: save it from Python: model.save_pretrained("FOLDER", safe_serialization=True).',
  );
});
test("a config that is not JSON", async () => {
  expect(await message(() => loadModel({ config: "{", weights }))).toBe(
    "loadModel: config.json is not JSON. Fix: fetch it again.",
  );
});
test("an architecture that is not known names the nearest", async () => {
  expect(await message(() => loadModel({ config: { ...config, model_type: "qwen25" }, weights }))).toBe(
    'loadModel: "model_type" of config.json is "qwen25"; nearest is "qwen2"; expected one of bert, distilbert, gemma, gemma2, gemma3_text, gpt2, gpt_neox, llama, mistral, olmo2, phi3, qwen2, qwen3, roberta, starcoder2, t5. Fix: see docs/adding-a-model.md: an architecture is one file and one line.',
  );
});
test("a config without a needed number", async () => {
  const { hidden_size: _, ...rest } = config;
  expect(await message(() => loadModel({ config: rest, weights }))).toBe(
    'loadModel: "hidden_size" of config.json is missing; expected a whole number ≥ 1.',
  );
});
test("heads that do not divide", async () => {
  expect(
    await message(() => loadModel({ config: { ...config, num_attention_heads: 4, num_key_value_heads: 3 }, weights })),
  ).toBe('loadModel: "num_key_value_heads" of config.json is 3; expected a number that divides num_attention_heads 4.');
});
test("an unknown kind of rotary stretching", async () => {
  expect(
    await message(() =>
      loadModel({ config: { ...config, rope_scaling: { rope_type: "spiral", factor: 2 } }, weights }),
    ),
  ).toBe(
    'loadModel: "rope_type" of config.json is "spiral"; expected one of default, linear, dynamic, llama3, yarn, longrope.',
  );
});
test("a config that contradicts the weights names tensor and axis", async () => {
  expect(await message(() => loadModel({ config: { ...config, vocab_size: 13 }, weights }))).toBe(
    'loadModel: "model.embed_tokens.weight" has 11 on axis 0 of [11, 8]; expected 13, as config.json says: [13, 8]. Fix: use the config.json that belongs to these weights.',
  );
});
test("a model beyond the 4 GB of WebAssembly says what holds it, before a byte is read", async () => {
  const built = (width: number, num_hidden_layers: number, format: "f32" | "f16" | "int8") => {
    const big = { ...config, hidden_size: width, intermediate_size: 4 * width, vocab_size: 50_000, num_hidden_layers };
    const shape = (name: string): number[] =>
      name.includes("embed_tokens") ? [50_000, width]
      : /[qo]_proj/.test(name) ? [width, width]
      : /[kv]_proj/.test(name) ? [width / 2, width]
      : name.includes("down_proj") ? [width, 4 * width]
      : /mlp/.test(name) ? [4 * width, width]
      : [width]; // biome-ignore format: a table
    const names = Object.keys(shapes).flatMap((n) =>
      n.includes(".0.") ? Array.from({ length: num_hidden_layers }, (_, i) => n.replace(".0.", `.${i}.`)) : [n],
    );
    const unread = (): never => {
      throw new Error("was read");
    };
    const info = (name: string) => ({ shape: shape(name), type: "F16", bytes: 1 });
    const file = { metadata: {}, names, info, tensor: unread, rows: unread, close: () => {} };
    const files = {
      name: "big",
      config: { ...big, tie_word_embeddings: true },
      configFile: "config.json",
      weights: file,
    };
    return message(() => buildModel(files, { weights: format }));
  };
  expect(await built(2048, 28, "f32")).toBe(
    'loadModel: big needs 6.9 GB as f32; expected at most 4 GB, what 32-bit WebAssembly can address. Fix: hold its weights as "f16" or "int8": { weights: "f16" }, --weights f16.',
  );
  expect(await built(3072, 28, "f16")).toBe(
    'loadModel: big needs 7.7 GB as f16; expected at most 4 GB, what 32-bit WebAssembly can address. Fix: hold its weights as "int8": { weights: "int8" }, --weights int8.',
  );
  expect(await built(4096, 32, "int8")).toBe(
    "loadModel: big needs 7.9 GB as int8; expected at most 4 GB, what 32-bit WebAssembly can address. Fix: take a smaller model: f16 holds two thousand million weights, int8 four.",
  );
  expect(await built(2048, 28, "f16")).toBe("was read");
});
test("a missing weight names the nearest there is", async () => {
  const lacking = { ...without("model.layers.0.mlp.up_proj.weight"), "model.layers.0.mlp.upproj.weight": [12, 8] };
  expect(await message(() => loadModel({ config, weights: checkpointOf(lacking) }))).toBe(
    'loadModel: "model.layers.0.mlp.up_proj.weight" is not among the 11 weights given; nearest is "model.layers.0.mlp.upproj.weight". Fix: give every weight that parameters() lists.',
  );
});
test("a weight too many names the nearest we know", async () => {
  const extra = { ...shapes, "model.layers.0.self_attn.q_proj.bias": [8] };
  expect(await message(() => loadModel({ config, weights: checkpointOf(extra) }))).toBe(
    'loadModel: "model.layers.0.self_attn.q_proj.bias" is no weight of this layer; nearest is "model.layers.0.self_attn.q_proj.weight". Fix: leave it out, or build the layer with the option that has this weight.',
  );
});
test("a tokenizer with more ids than the embedding has rows", async () => {
  const vocab = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`t${i}`, i]));
  const tokenizer = { model: { type: "WordPiece", vocab, unk_token: "t0" } };
  expect(await message(() => loadModel({ config, weights, tokenizer }))).toBe(
    "loadModel: tokenizer.json has 12 ids; expected at most 11, the vocab_size of config.json. Fix: use the tokenizer that belongs to this model.",
  );
});
test("a model without a tokenizer says so when one is needed", async () => {
  const m = await model();
  expect(await message(() => m.tokenizer)).toBe(
    "model: tokenizer is not there: memory has no tokenizer.json. Fix: put tokenizer.json beside config.json, or work on ids.",
  );
});
test("no inputs, a text instead of ids, an empty text", async () => {
  const m = await model();
  expect(await message(() => m.forward({} as never))).toBe(
    "forward: inputs has no inputIds; expected { inputIds: number[][], … }. Fix: forward({ inputIds: [model.tokenizer.encode(text).ids] }).",
  );
  expect(await message(() => m.forward({ inputIds: "text" as never }))).toBe(
    "forward: inputIds is string; expected rows of token ids, number[][]. Fix: encode the text first: model.tokenizer.encode(text).ids.",
  );
  expect(await message(() => m.forward({ inputIds: [[]] }))).toBe(
    "forward: inputIds has no tokens; expected at least one a row. Fix: an empty text gives no token where the tokenizer adds none; begin with the model's first token (bos).",
  );
});
test("an id outside the vocabulary", async () => {
  const m = await model();
  expect(
    await message(() =>
      m.forward({
        inputIds: [
          [1, 2],
          [3, 11],
        ],
      }),
    ),
  ).toBe(
    "forward: inputIds has 11 at row 1, token 1; expected whole numbers from 0 to 10, the rows of the embedding. Fix: use the tokenizer that belongs to this model.",
  );
});
test("a mask of another shape, or one that is no mask", async () => {
  const m = await model();
  expect(await message(() => m.forward({ inputIds: [[1, 2, 3]], attentionMask: [[1, 1]] }))).toBe(
    "forward: attentionMask has 2 entries in row 0; expected 3, as in inputIds.",
  );
  expect(await message(() => m.forward({ inputIds: [[1, 2, 3]], attentionMask: [[0, 0, -10000]] }))).toBe(
    "forward: attentionMask has -10000 at row 0, token 2; expected 1 for a real token, 0 for padding.",
  );
});
test("generation past the context", async () => {
  const m = await model();
  const run = async (ids: number[], maxNewTokens?: number): Promise<void> => {
    for await (const _ of m.generate(ids, { maxNewTokens, stop: [] }));
  };
  expect(await message(() => run([1, 2, 3], 4))).toBe(
    "generate: maxNewTokens is 4 after 3 tokens; expected at most 6 tokens in all, the context of this model. Fix: maxNewTokens: 3.",
  );
  expect(await message(() => run([1, 2, 3, 4, 5, 6, 7]))).toBe(
    "generate: ids has 7 tokens; expected at most 6 tokens in all, the context of this model. Fix: keep the last tokens: ids.slice(-5).",
  );
  expect(await message(() => run([]))).toBe(
    "generate: ids has no tokens; expected at least one a text. Fix: begin with the model's first token (bos).",
  );
});
test("sampling options that make no sense", async () => {
  const m = await model();
  const run = async (options: object): Promise<void> => {
    for await (const _ of m.generate([1], { maxNewTokens: 1, ...options }));
  };
  expect(await message(() => run({ temperature: -1 }))).toBe(
    "generate: temperature is -1; expected a number ≥ 0; 0 is greedy.",
  );
  expect(await message(() => run({ topP: 0 }))).toBe("generate: topP is 0; expected a probability in (0, 1].");
  expect(await message(() => run({ topK: 1.5 }))).toBe("generate: topK is 1.5; expected a whole number ≥ 1.");
});
test("an edit of a head that is not there, or one that changes nothing", async () => {
  const m = await model();
  const edited = (edit: object) => message(() => m.forward({ inputIds: [[1, 2]] }, { edit: [edit as never] }));
  expect(await edited({ layer: 0, head: 2, output: "zero" })).toBe(
    "forward: edit names head 2; expected 0 … 1, the heads of layer 0.",
  );
  expect(await edited({ layer: 1, head: 0, output: "zero" })).toBe(
    "forward: edit[0] names layer 1; expected 0 … 0, the layers of this model.",
  );
  expect(await edited({ layer: 0, head: 1 })).toBe(
    "forward: edit[0] changes nothing; expected output, mask, scale or weights.",
  );
});
test("T5 without what the decoder reads", async () => {
  const { readInputs } = await import("./inputs.js");
  expect(await message(() => readInputs({ inputIds: [[1]] }, { vocabulary: 9, pad: 0, isEncoderDecoder: true }))).toBe(
    "forward: decoderInputIds is missing; expected what the decoder reads, this model being an encoder–decoder. Fix: begin with config.decoder_start_token_id: decoderInputIds: [[0]]; or generate(ids).",
  );
});
test("a text longer than a table of positions", async () => {
  const { readInputs } = await import("./inputs.js");
  const limits = { vocabulary: 9, pad: 0, positions: 3, isEncoderDecoder: false };
  expect(await message(() => readInputs({ inputIds: [[1, 2, 3, 4]] }, limits))).toBe(
    "forward: inputIds has 4 tokens; expected at most 3, the positions this model knows. Fix: cut the text: ids.slice(0, 3).",
  );
});

/** A GGUF file with one tensor, and lies where asked. */
function gguf(lie: { type?: number; rows?: bigint; offset?: bigint; tensors?: bigint; key?: bigint } = {}): Uint8Array {
  const bytes: number[] = [];
  const u32 = (n: number): void => void bytes.push(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255);
  const u64 = (n: bigint): void => {
    for (let i = 0n; i < 8n; i++) bytes.push(Number((n >> (8n * i)) & 255n));
  };
  const text = (s: string, length = BigInt(s.length)): void => {
    u64(length);
    for (const c of s) bytes.push(c.charCodeAt(0));
  };
  for (const c of "GGUF") bytes.push(c.charCodeAt(0));
  u32(3);
  u64(lie.tensors ?? 1n);
  u64(1n);
  text("general.architecture", lie.key);
  u32(8);
  text("llama");
  text("w");
  u32(1);
  u64(lie.rows ?? 4n);
  u32(lie.type ?? 0);
  u64(lie.offset ?? 0n);
  while (bytes.length % 32) bytes.push(0);
  for (let i = 0; i < 16; i++) bytes.push(0);
  return Uint8Array.from(bytes);
}
const where = "the bytes given";
test("GGUF: a type we do not read is named when the tensor is asked for", async () => {
  const file = await readWeights(gguf({ type: 19 }));
  expect(await message(() => file.tensor("w"))).toBe(
    `readWeights: tensor "w" of ${where} has type IQ1_S; expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS. Fix: take a file in one of these types.`,
  );
});
test("GGUF: three gigabytes stated in a file of two hundred bytes", async () => {
  expect(await message(() => readWeights(gguf({ rows: 3n * 2n ** 28n })))).toBe(
    `readWeights: tensor "w" of ${where} needs bytes 128 to 3221225600 of the 144 there are. Fix: the file is cut short or damaged; fetch it again.`,
  );
});
test("GGUF: an offset between two numbers, and one inside another tensor", async () => {
  expect(await message(() => readWeights(gguf({ offset: 7n })))).toBe(
    `readWeights: tensor "w" of ${where} has offset 7; expected a multiple of 32. Fix: the file is damaged; fetch it again.`,
  );
  const two = readFileSync(
    fileURLToPath(new URL("../../test/goldens/data/gguf/llama-f32/model.gguf", import.meta.url)),
  );
  const name = "blk.0.attn_k.weight";
  const at = two.indexOf(name) + name.length + 4 + 2 * 8 + 4; // axes, two sizes, type
  two.writeBigUInt64LE(two.readBigUInt64LE(at) + 32n, at);
  expect(await message(() => readWeights(two))).toMatch(
    /^readWeights: tensor "[^"]+" of the bytes given begins at byte \d+, within "blk.0.attn_k.weight"; expected byte \d+ or later. Fix: the file is damaged; fetch it again.$/,
  );
});
test("a config with a billion layers is refused before one is made", async () => {
  expect(await message(() => loadModel({ config: { ...config, num_hidden_layers: 1e9 }, weights }))).toBe(
    'loadModel: "num_hidden_layers" of config.json is 1000000000; expected at most 11, as many as there are weights. Fix: use the config.json that belongs to these weights.',
  );
});
test("GGUF: an offset outside, a count of a billion tensors, a name of a terabyte", async () => {
  expect(await message(() => readWeights(gguf({ offset: 4096n })))).toBe(
    `readWeights: tensor "w" of ${where} needs bytes 4224 to 4240 of the 144 there are. Fix: the file is cut short or damaged; fetch it again.`,
  );
  expect(await message(() => readWeights(gguf({ tensors: 10n ** 9n })))).toBe(
    `readWeights: ${where} says that 1000000000 tensors follow in the 128 bytes that are left. Fix: fetch it again.`,
  );
  expect(await message(() => readWeights(gguf({ key: 2n ** 40n })))).toBe(
    `readWeights: ${where} says that 1099511627776 characters follow in the 112 bytes that are left. Fix: fetch it again.`,
  );
});
test("GGUF: any cut is an error of ours", async () => {
  const whole = gguf();
  for (let n = 0; n < whole.length; n++)
    expect(await message(() => readWeights(whole.slice(0, n)))).toMatch(/^(readWeights|safetensors): /);
});
test("a file that is not there", async () => {
  expect(await message(() => readWeights(join(folder, "no.safetensors")))).toBe(
    "readWeights: FOLDER/no.safetensors is not there.",
  );
  expect(await message(() => loadModel(join(folder, "no.gguf")))).toBe("readWeights: FOLDER/no.gguf is not there.");
});
