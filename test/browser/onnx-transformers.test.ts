/** @file transformers.js in a browser with attention: the example page, and generation, whose steps equal one pass over all. */
import { createServer, type Server } from "node:http";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error a script without types
import { findBrowser, launchBrowser } from "../../scripts/shared/browser.mjs";
import { openOnnx } from "../../src/onnx/index.js";
import { onnxCase } from "../goldens/onnx-case.js";
import { goldenSets, root } from "../goldens/where.js";
import { worstOfSteps } from "../onnx/steps.js";

const browserPath: string | undefined = findBrowser();
const built = existsSync(join(root, "dist/onnx/index.js"));
const golden = (name: string) => onnxCase(goldenSets("onnx-models").find((c) => c.id.endsWith(name))!);
const bert = golden("bert-torchscript-op17-sdpa");
const gpt2 = golden("gpt2-cache-decode-torchscript-op17-eager");
if (!browserPath) console.warn("No browser found: transformers.js is NOT run in a browser. Set QKV_BROWSER to one.");

const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "on", "mat"];
const special = ["[CLS]", "[SEP]"].map((w) => [w, { id: w, ids: [words.indexOf(w)], tokens: [w] }]);
const tokenizer = {
  version: "1.0",
  added_tokens: words.slice(0, 4).map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })),
  normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: ["[CLS]", "A", "[SEP]"].map((id) =>
      id === "A" ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } },
    ),
    pair: [],
    special_tokens: Object.fromEntries(special),
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(words.map((w, i) => [w, i])),
  },
};

/** What huggingface.co would answer. */
const hub: Record<string, string | object> = {
  "tiny/bert/config.json": { model_type: "bert", hidden_size: 24, num_attention_heads: 3, num_hidden_layers: 2 },
  "tiny/bert/tokenizer.json": tokenizer,
  "tiny/bert/tokenizer_config.json": { tokenizer_class: "BertTokenizer", model_max_length: 64 },
  "tiny/bert/onnx/model.onnx": bert.path,
  "tiny/gpt2/config.json": {
    model_type: "gpt2",
    n_embd: 24,
    n_head: 3,
    n_layer: 2,
    vocab_size: 97,
    eos_token_id: 96,
    bos_token_id: 96,
  },
  "tiny/gpt2/onnx/model.onnx": gpt2.path,
};
const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

describe.skipIf(!browserPath || !built)("transformers.js in a browser", () => {
  let server: Server;
  let browser: Browser;
  let tab: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname).slice(1);
      const asked = /^hub\/(.+)\/resolve\/main\/(.+)$/.exec(path);
      const answer = asked ? hub[`${asked[1]}/${asked[2]}`] : undefined;
      const file = typeof answer === "string" ? answer : asked ? undefined : join(root, path);
      if (typeof answer === "object") response.setHeader("content-type", types[".json"]!).end(JSON.stringify(answer));
      else if (file && existsSync(file) && statSync(file).isFile()) {
        response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
        response.end(readFileSync(file));
      } else response.writeHead(404).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await launchBrowser();
    tab = await browser.newPage();
    tab.on("pageerror", (e) => faults.push(e.message));
    await tab.goto(`${address}/examples/onnx/bert-in-the-browser.html?model=tiny/bert&host=${address}/hub/`);
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test("the BERT page shows the maps that the same file gives in Node", async () => {
    await tab.click("#go");
    await tab.waitForFunction("document.querySelector('#out').textContent !== ''", undefined, { timeout: 60_000 });
    const text = await tab.textContent("#out");
    const ids = [2, 4, 5, 6, 7, 4, 8, 3]; // [CLS] the cat sat on the mat [SEP]
    const row = (data: number[]) => ({ data, shape: [1, ids.length] });
    const model = await openOnnx(bert.path);
    const { trace } = await model.run({
      input_ids: row(ids),
      attention_mask: row(ids.map(() => 1)),
      token_type_ids: row(ids.map(() => 0)),
    });
    const lines = [0, 1].map((layer) => {
      const first = trace.weights({ layer, head: 0, rows: [0, 1] }).data;
      return `layer ${layer}: 1 × 3 × 8 × 8, head 0, first token: ${[...first].map((x) => x.toFixed(3)).join(" ")}`;
    });
    expect(faults).toEqual([]);
    expect(text!.split("\n")).toHaveLength(2);
    const numbers = (s: string): number[] => s.match(/\d+(\.\d+)?/g)!.map(Number);
    text!.split("\n").forEach((line, i) => {
      expect(line.replace(/: [\d. ]+$/, "")).toBe(lines[i]!.replace(/: [\d. ]+$/, ""));
      const ours = numbers(lines[i]!);
      // Three digits are printed: a number on the border may round either way.
      numbers(line).forEach((x, j) => void expect(Math.abs(x - ours[j]!)).toBeLessThanOrEqual(0.0011));
    });
  });

  test("each step of generate() gives the rows of one pass over the whole text", async () => {
    // As text: what a test's import() is turned into does not exist in a page.
    const steps = (await tab.evaluate(`(async () => {
      const { AutoModelForCausalLM, Tensor } = await import("@huggingface/transformers");
      const model = await AutoModelForCausalLM.from_pretrained("tiny/gpt2", { dtype: "fp32", device: "wasm" });
      const out = await model.generate({
        input_ids: new Tensor("int64", BigInt64Array.from([5n, 17n, 40n, 8n]), [1, 4]),
        attention_mask: new Tensor("int64", new BigInt64Array(4).fill(1n), [1, 4]),
        max_new_tokens: 3,
        do_sample: false,
        output_attentions: true,
        return_dict_in_generate: true,
      });
      return {
        ids: Array.from(out.sequences.data, Number),
        maps: out.decoder_attentions.map((layers) => layers.map((m) => ({ data: Array.from(m.data), dims: m.dims }))),
      };
    })()`)) as { ids: number[]; maps: { data: number[]; dims: number[] }[][] };
    expect(steps.maps).toHaveLength(3);
    // Two ways of adding up the same float32 numbers; the goldens' own tolerance of a map of this model is 4e-6.
    expect(await worstOfSteps(gpt2.path, steps.ids, steps.maps)).toBeLessThanOrEqual(2e-6);
  });
});
