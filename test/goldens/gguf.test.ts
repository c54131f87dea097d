/** Every quantised form of a GGUF file, bit for bit as gguf-py reads it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gguf } from "@huggingface/gguf";
import { describe, expect, test } from "vitest";
import { loadModel, readWeights } from "../../src/models/index.js";
import { ggufTokenizer } from "../../src/models/load/gguf/tokenizer.js";
import { readSafetensors } from "../../src/tensor/index.js";
import { expectClose, rowsOf } from "./compare.js";
import { compared, generateTests, groupsOf } from "./model-cases.js";
import { goldenSets } from "./where.js";

for (const { id, folder } of goldenSets("gguf").filter((c) => c.about.kind === "gguf-dequant")) {
  describe(id, async () => {
    const weights = await readWeights(join(folder, "types.gguf"));
    const want = readSafetensors(readFileSync(join(folder, "golden.safetensors")));
    test.each(want.names)("%s is equal bit for bit", (name) => {
      const got = weights.tensor(name);
      expect(got.shape).toEqual(want.tensor(name).shape);
      expect(new Uint32Array(got.data.buffer)).toEqual(new Uint32Array(want.tensor(name).data.slice().buffer));
    });
    test("metadata of every kind", () => {
      expect(weights.metadata["test.u32"]).toBe(4e9);
      expect(weights.metadata["test.i64"]).toBe(-5);
      expect(weights.metadata["test.f64"]).toBe(0.1);
      expect(weights.metadata["test.bool"]).toBe(true);
      expect(weights.metadata["test.ints"]).toEqual([1, -2, 3]);
    });
  });
}

for (const { id, folder, about } of goldenSets("gguf").filter((c) => c.about.kind === "gguf-model")) {
  test(`${id}: logits and maps of the dequantised model`, async () => {
    const model = await loadModel(join(folder, "model.gguf"));
    const golden = readSafetensors(readFileSync(join(folder, "golden.safetensors")));
    const { logits, trace } = model.forward({ inputIds: rowsOf(golden, "input_ids") }, { trace: true });
    expectClose(logits!, golden.tensor("logits"), about.tensors["logits"].tol_abs, "logits");
    for (const name of golden.names.filter((n) => n.startsWith("attentions."))) {
      const layer = Number(name.split(".")[1]);
      expectClose(trace.weights({ layer }), golden.tensor(name), about.tensors[name].tol_abs, name);
    }
  });
}

test("metadata and tensors are what @huggingface/gguf reads", async () => {
  for (const { folder } of goldenSets("gguf").filter((c) => c.about.kind === "gguf-model")) {
    const own = await readWeights(join(folder, "model.gguf"));
    const { metadata, tensorInfos } = await gguf(join(folder, "model.gguf"), { allowLocalFile: true });
    for (const [key, value] of Object.entries(metadata)) {
      if (["version", "tensor_count", "kv_count"].includes(key)) continue; // of the file, not in its metadata
      expect(own.metadata[key], key).toEqual(typeof value === "bigint" ? Number(value) : value);
    }
    expect([...own.names]).toEqual(tensorInfos.map((t) => t.name));
    for (const t of tensorInfos) expect(own.info(t.name).shape).toEqual(t.shape.map(Number).reverse());
  }
});

const madeModels = ["phi3", "gemma", "gemma2", "olmo2", "gpt-neox", "bert"]
  .flatMap(goldenSets)
  .filter(({ folder }) => existsSync(join(folder, "model.gguf")));
for (const { id, folder, about } of madeModels) {
  describe(`${id} as llama.cpp's converter writes it`, async () => {
    const model = await loadModel(join(folder, "model.gguf"));
    const golden = readSafetensors(readFileSync(join(folder, "golden.safetensors")));
    const files = { model, golden, tensors: about.tensors };
    const skipped = /\.(pooler_output|logits)$/; // an encoder's file holds no head
    test.each(groupsOf(golden))("%s: every map, state and output", (group) => {
      const isEncoder = model.family === "encoder";
      for (const { name, want, got, keep } of compared(files, group, isEncoder ? skipped : undefined)) {
        expectClose(got, want, about.tensors[name].tol_abs, name, keep);
      }
    });
    generateTests(files);
  });
}

test.each(["relu-tied", "v11-gated-gelu-untied"])("t5/%s as llama.cpp's converter writes it", async (name) => {
  const folder = fileURLToPath(new URL(`data/t5/${name}`, import.meta.url));
  const config = JSON.parse(readFileSync(join(folder, "model/config.json"), "utf8"));
  const own = await loadModel({
    config: { ...config, relative_attention_max_distance: 128 }, // the file does not say; T5's own is 128
    weights: readFileSync(join(folder, "model/model.safetensors")),
  });
  const made = await loadModel(join(folder, "model.gguf"));
  const inputs = { inputIds: [[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8]], decoderInputIds: [[0, 4, 6, 2, 6, 4, 3]] };
  const [a, b] = [own.forward(inputs), made.forward(inputs)];
  expect(b.logits!.data).toEqual(a.logits!.data);
  expect(b.encoderLastHiddenState!.data).toEqual(a.encoderLastHiddenState!.data);
});

const tokenizers = ["gpt2-bytelevel", "llama3-split", "roberta", "llama2-bytefallback", "bert-wordpiece"];
describe.each(tokenizers)("tokenizer %s from a file's metadata", async (name) => {
  const folder = fileURLToPath(new URL(`data/tokenizer/${name}`, import.meta.url));
  const { metadata } = await readWeights(join(folder, "model.gguf"));
  const tokenizer = ggufTokenizer(metadata, "model.gguf")!;
  const cases = JSON.parse(readFileSync(join(folder, "encodings.json"), "utf8")) as { text: string | [string, string]; ids: number[]; decoded?: string }[];
  test.each(cases.map((c) => [JSON.stringify(c.text), c] as const))("%s", (_, want) => {
    const [text, pair] = Array.isArray(want.text) ? want.text : [want.text, undefined];
    if (pair !== undefined && name !== "bert-wordpiece") return; // a file does not say how two texts are joined
    expect(tokenizer.encode(text, { pair }).ids).toEqual(want.ids);
    if (want.decoded !== undefined) expect(tokenizer.decode(want.ids, { skipSpecialTokens: true })).toBe(want.decoded);
  });
});

describe.each(["bpe", "unigram"])("SentencePiece's own %s model from a file's metadata", async (name) => {
  const folder = fileURLToPath(new URL(`data/gguf-tokenizers/${name}`, import.meta.url));
  const { metadata } = await readWeights(join(folder, "model.gguf"));
  const tokenizer = ggufTokenizer(metadata, "model.gguf")!;
  const about = JSON.parse(readFileSync(join(folder, "encodings.json"), "utf8"));
  const cases = about.cases as { text: string; ids: number[]; decoded: string }[];
  test.each(cases.map((c) => [JSON.stringify(c.text), c] as const))("%s", (_, { text, ids, decoded }) => {
    expect(tokenizer.encode(text).ids).toEqual([...about.before, ...ids, ...about.after]);
    const unknown = metadata["tokenizer.ggml.unknown_token_id"] as number; // SentencePiece writes " ⁇ ", Hugging Face leaves it out
    if (!ids.includes(unknown)) expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded);
  });
});
