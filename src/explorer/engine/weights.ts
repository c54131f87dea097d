/** @file Weights of a model that views need: a head's part of the output projection, the last norm, the word table. */
import type { Model } from "../../models/index.js";
import { type Tensor, tensor } from "../../tensor/index.js";

const known = new WeakMap<Model, Map<string, Tensor>>();

/** A weight by the first of some names that ends a full name. Read once. */
export function weightNamed(model: Model, ...ends: string[]): Tensor | undefined {
  let read = known.get(model);
  if (!read) known.set(model, (read = new Map()));
  for (const end of ends) {
    if (read.has(end)) return read.get(end);
    for (const [name, parameter] of model.named()) {
      if (name === end || name.endsWith(`.${end}`)) {
        const value = parameter.copy();
        read.set(end, value);
        return value;
      }
    }
  }
  return undefined;
}

/** W_O of one head as [width, Dv]: the columns of the output projection that this head's output meets. */
export function outputProjection(model: Model, layer: number, head: number): Tensor | undefined {
  const linear = weightNamed(
    model,
    `layers.${layer}.self_attn.o_proj.weight`,
    `layer.${layer}.attention.output.dense.weight`,
    `layer.${layer}.attention.out_lin.weight`,
    `block.${layer}.layer.0.SelfAttention.o.weight`,
  ); // [width, H·Dv]
  const conv = linear ? undefined : weightNamed(model, `h.${layer}.attn.c_proj.weight`); // [H·Dv, width], as GPT-2 stores it
  const found = linear ?? conv;
  const config = model.config as Record<string, number | undefined>;
  const heads = config["num_attention_heads"] ?? config["n_head"] ?? config["n_heads"] ?? config["num_heads"];
  if (!found || !heads) return undefined;
  const [a, b] = found.shape as [number, number];
  const [width, inputs] = linear ? [a, b] : [b, a];
  const Dv = inputs / heads;
  const out = new Float32Array(width * Dv);
  for (let n = 0; n < width; n++) {
    for (let d = 0; d < Dv; d++) {
      const m = head * Dv + d;
      out[n * Dv + d] = linear ? found.data[n * inputs + m]! : found.data[m * width + n]!;
    }
  }
  return tensor(out, [width, Dv]);
}
