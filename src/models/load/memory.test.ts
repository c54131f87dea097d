/** What loading holds at once, counted in bytes: kernel memory, and every array beside it that is not collected yet. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import { kernelInForce } from "../../kernels/current.js";
import type { WeightFormat } from "../../kernels/kernel.js";
import { useKernel } from "../../kernels/use-kernel.js";
import { loadModel } from "./load-model.js";

const [V, d, layers, inner] = [30_011, 256, 2, 1024];
const config = {
  model_type: "llama",
  vocab_size: V,
  hidden_size: d,
  num_hidden_layers: layers,
  intermediate_size: inner,
  num_attention_heads: 4,
  tie_word_embeddings: true,
};

function shapesOf(): [name: string, shape: number[]][] {
  const shapes: [string, number[]][] = [
    ["model.embed_tokens.weight", [V, d]],
    ["model.norm.weight", [d]],
  ];
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    for (const n of ["q", "k", "v", "o"]) shapes.push([`${at}.self_attn.${n}_proj.weight`, [d, d]]);
    shapes.push([`${at}.mlp.gate_proj.weight`, [inner, d]], [`${at}.mlp.up_proj.weight`, [inner, d]]);
    shapes.push([`${at}.mlp.down_proj.weight`, [d, inner]]);
    for (const n of ["input_layernorm", "post_attention_layernorm"]) shapes.push([`${at}.${n}.weight`, [d]]);
  }
  return shapes;
}

/** A file of zeros, whose word table is four fifths of it. */
function fileOf(type: "F32" | "BF16"): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape] of shapesOf()) {
    const from = end;
    end += shape.reduce((a, b) => a * b, type === "F32" ? 4 : 2);
    header[name] = { dtype: type, shape, data_offsets: [from, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + json.length + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

const widths = { none: 0, numbers: 4, f32: 4, f16: 2, bf16: 2, int8: 1 };
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

describe.each(["F32", "BF16"] as const)("a file of %s", (type) => {
  const folder = mkdtempSync(join(tmpdir(), "qkv-memory-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "model.safetensors"), fileOf(type));

  test.each(["f32", "f16", "bf16", "int8"] as WeightFormat[])(
    "takes less than 1.2 times the model as %s",
    async (weights) => {
      useKernel("portable");
      const bytes = (): number => kernelInForce().bytesInUse + process.memoryUsage().arrayBuffers;
      for (let n = 0; n < 3; n++) collect(); // each waits for what the one before frees in the background
      const before = bytes();
      let peak = 0;
      const note = (): void => void (peak = Math.max(peak, bytes() - before));
      const model = await loadModel(folder, { weights, onProgress: note });
      const size = [...model.named()].reduce((n, [, p]) => n + p.shape.reduce((a, b) => a * b, widths[p.form]), 0);
      expect(peak).toBeGreaterThan(0.95 * size);
      expect(peak).toBeLessThan(1.2 * size);
      for (const [, p] of model.named()) p.release();
    },
  );
});
