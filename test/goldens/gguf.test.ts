/** Every quantised form of a GGUF file, bit for bit as gguf-py reads it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import { describe, expect, test } from "vitest";
import { loadModel, readWeights } from "../../src/models/index.js";
import { readSafetensors } from "../../src/tensor/index.js";
import { expectClose, rowsOf } from "./compare.js";
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
