/** What loading holds at once, counted in bytes: kernel memory in use and the numbers on their way to it. */
import { describe, expect, test } from "vitest";
import { kernelInForce } from "../../kernels/current.js";
import type { WeightFormat } from "../../kernels/kernel.js";
import { useKernel } from "../../kernels/use-kernel.js";
import { tensor } from "../../tensor/index.js";
import { buildModel } from "./build.js";
import type { Weights } from "./weights.js";

const [V, d, layers, inner] = [20_011, 128, 2, 512];
const config = {
  model_type: "llama",
  vocab_size: V,
  hidden_size: d,
  num_hidden_layers: layers,
  intermediate_size: inner,
  num_attention_heads: 4,
  tie_word_embeddings: true,
};

/** A checkpoint that tells how many bytes of float32 it has handed out at once, beside what the kernel holds then. */
function watched(): { weights: Weights; size: number; peak: () => number } {
  const shapes = new Map<string, number[]>([
    ["model.embed_tokens.weight", [V, d]],
    ["model.norm.weight", [d]],
  ]);
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    for (const n of ["q", "k", "v", "o"]) shapes.set(`${at}.self_attn.${n}_proj.weight`, [d, d]);
    shapes.set(`${at}.mlp.gate_proj.weight`, [inner, d]).set(`${at}.mlp.up_proj.weight`, [inner, d]);
    shapes.set(`${at}.mlp.down_proj.weight`, [d, inner]);
    for (const n of ["input_layernorm", "post_attention_layernorm"]) shapes.set(`${at}.${n}.weight`, [d]);
  }
  const before = kernelInForce().bytesInUse;
  let most = 0;
  const handOut = (shape: number[]) => {
    const value = tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5), shape);
    most = Math.max(most, kernelInForce().bytesInUse - before + value.size * 4);
    return value;
  };
  const info = (name: string) => ({
    shape: shapes.get(name)!,
    type: "F32",
    bytes: shapes.get(name)!.reduce((a, b) => a * b, 4),
  });
  return {
    size: [...shapes.keys()].reduce((n, name) => n + info(name).bytes / 4, 0),
    peak: () => most,
    weights: {
      metadata: {},
      names: [...shapes.keys()],
      info,
      tensor: (name) => handOut(shapes.get(name)!),
      rows: (name) => ({ shape: shapes.get(name)!, read: (a, b) => handOut([b - a, shapes.get(name)![1]!]) }),
      close() {},
    },
  };
}

describe.each([
  ["f32", 4],
  ["f16", 2],
] as [WeightFormat, number][])("loading as %s", (format, width) => {
  test("takes less than 1.2 times the model, though its word table is four fifths of it", () => {
    useKernel("portable");
    const { weights, size, peak } = watched();
    const part = 2 ** 20 * 4; // what is packed at a time; of a large model it is nothing
    const model = buildModel({ name: "made here", config, configFile: "config.json", weights }, { weights: format });
    expect(model.parameterCount).toBe(size);
    expect(peak()).toBeGreaterThan(0.9 * size * width);
    expect(peak() - part).toBeLessThan(1.2 * size * width);
  });
});
