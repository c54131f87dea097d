/** @file transformers.js with attention: results have maps, generation gives them step by step, files stay as they are. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withAttention } from "../../src/onnx/index.js";
import { onnxCase } from "../goldens/onnx-case.js";
import { goldenSets, root } from "../goldens/where.js";
import { worstOfSteps } from "./steps.js";

const find = (name: string) => goldenSets("onnx-models").find((c) => c.id.endsWith(name))!;
const bert = onnxCase(find("bert-torchscript-op17-sdpa"));
const gpt2 = onnxCase(find("gpt2-cache-decode-torchscript-op17-eager"));
let folder: string;
let library: typeof import("@huggingface/transformers");
let undo: () => void;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "qkv-transformers-"));
  const put = (name: string, model: string, config: object): void => {
    mkdirSync(join(folder, name, "onnx"), { recursive: true });
    copyFileSync(model, join(folder, name, "onnx", "model.onnx"));
    writeFileSync(join(folder, name, "config.json"), JSON.stringify(config));
  };
  put("bert", bert.path, { model_type: "bert", hidden_size: 24, num_attention_heads: 3, num_hidden_layers: 2 });
  put("gpt2", gpt2.path, {
    model_type: "gpt2",
    n_embd: 24,
    n_head: 3,
    n_layer: 2,
    vocab_size: 97,
    eos_token_id: 96,
    bos_token_id: 96,
  });
  cpSync(join(root, "test/onnx/data/t5-with-cache"), join(folder, "t5"), { recursive: true });
  library = await import("@huggingface/transformers");
  library.env.localModelPath = folder;
  library.env.allowRemoteModels = false;
  library.env.cacheDir = join(folder, "cache");
  undo = withAttention(library.env, { folder: join(folder, "edited") });
});
afterAll(() => {
  undo();
  rmSync(folder, { recursive: true });
});

/** Feeds as transformers.js tensors. */
const tensors = (feeds: typeof bert.feeds, names: string[]) =>
  Object.fromEntries(
    names.map((n) => [n, new library.Tensor("int64", feeds[n]!.data as BigInt64Array, [...feeds[n]!.shape!])]),
  );

test("AutoModel gives one map per layer, equal to Hugging Face's", async () => {
  const before = readFileSync(bert.path);
  const model = await library.AutoModel.from_pretrained("bert", { dtype: "fp32" });
  const out = await model(tensors(bert.feeds, Object.keys(bert.feeds)));
  expect(out.attentions).toHaveLength(2);
  out.attentions.forEach((map: { data: Float32Array; dims: number[] }, layer: number) => {
    const golden = bert.golden.tensor(`attention.self.${layer}`);
    expect(map.dims).toEqual([...golden.shape]);
    const worst = golden.data.reduce((n, x, i) => Math.max(n, Math.abs(x - map.data[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(bert.about.maps[`attention.self.${layer}`]!.tol_abs);
  });
  expect(readFileSync(join(folder, "bert", "onnx", "model.onnx"))).toEqual(before);
});

test("generate gives the maps of every step, those of one pass over the whole text without a cache", async () => {
  const model = await library.AutoModelForCausalLM.from_pretrained("gpt2", { dtype: "fp32" });
  const input_ids = new library.Tensor("int64", BigInt64Array.from([5n, 17n, 40n, 8n]), [1, 4]);
  const attention_mask = new library.Tensor("int64", new BigInt64Array(4).fill(1n), [1, 4]);
  const out = (await model.generate({
    input_ids,
    attention_mask,
    max_new_tokens: 3,
    do_sample: false,
    output_attentions: true,
    return_dict_in_generate: true,
  } as never)) as unknown as {
    sequences: { data: BigInt64Array };
    decoder_attentions: { dims: number[]; data: Float32Array }[][];
  };
  const shapes = out.decoder_attentions.map((layers: { dims: number[] }[]) => layers.map((m) => m.dims.join("×")));
  expect(shapes).toEqual([
    ["1×3×4×4", "1×3×4×4"],
    ["1×3×1×5", "1×3×1×5"],
    ["1×3×1×6", "1×3×1×6"],
  ]);
  // Two ways of adding up the same float32 numbers; the goldens' own tolerance of a map of this model is 4e-6.
  const ids = Array.from(out.sequences.data, Number);
  expect(await worstOfSteps(gpt2.path, ids, out.decoder_attentions)).toBeLessThanOrEqual(2e-6);
});

test("an encoder–decoder gives its own and its cross-attention step by step, equal to Hugging Face's pass without a cache", async () => {
  const reference = JSON.parse(readFileSync(join(folder, "t5", "reference.json"), "utf8")) as {
    ids: number[];
    decoder: number[][];
    cross: number[][];
  };
  const model = await library.AutoModelForSeq2SeqLM.from_pretrained("t5", { dtype: "fp32" });
  const source = BigInt64Array.from([5n, 6n, 7n, 8n, 1n]);
  const out = (await model.generate({
    input_ids: new library.Tensor("int64", source, [1, 5]),
    attention_mask: new library.Tensor("int64", new BigInt64Array(5).fill(1n), [1, 5]),
    max_new_tokens: 4,
    do_sample: false,
    output_attentions: true,
    return_dict_in_generate: true,
  } as never)) as unknown as Record<string, { dims: number[]; data: Float32Array }[][]> & {
    sequences: { data: BigInt64Array };
  };
  expect(Array.from(out.sequences.data, Number)).toEqual(reference.ids);
  const heads = 3;
  const steps = reference.ids.length - 1;
  for (const kind of ["decoder", "cross"] as const) {
    const given = out[`${kind}_attentions`]!;
    expect(given).toHaveLength(steps);
    given.forEach((layers, step) => {
      layers.forEach((map, layer) => {
        const keys = kind === "cross" ? 5 : step + 1;
        const width = kind === "cross" ? 5 : steps;
        expect(map.dims).toEqual([1, heads, 1, keys]);
        map.data.forEach((x, i) => {
          const [h, k] = [Math.floor(i / keys), i % keys];
          // float32 sums of 8 products, in another order than torch's
          expect(Math.abs(x - reference[kind][layer]![(h * steps + step) * width + k]!)).toBeLessThanOrEqual(2e-6);
        });
      });
    });
  }
});
