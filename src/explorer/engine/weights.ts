/** @file Weights of a model that views need: a head's part of the output projection, the last norm, the word table. */
import { ops } from "../../kernels/index.js";
import type { Model } from "../../models/index.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import type { Kind } from "./protocol.js";

const known = new WeakMap<Model, Map<string, Tensor>>();

/** A weight by the first of some names that ends a full name. Read once. */
export function weightNamed(model: Model, ...ends: string[]): Tensor | undefined {
  let read = known.get(model);
  if (!read) known.set(model, (read = new Map()));
  for (const end of ends) {
    if (read.has(end)) return read.get(end);
    for (const [name, parameter] of model.named()) {
      if (name === end || name.endsWith(`.${end}`)) {
        const copy = parameter.copy(); // in the kernel's memory, which a scope may take back
        const value = tensor(copy.data.slice(), copy.shape);
        read.set(end, value);
        return value;
      }
    }
  }
  return undefined;
}

/** Where T5 keeps an attention. */
const stackOf = (kind: Kind): string => (kind === "encoder" ? "encoder" : "decoder");
const sublayerOf = (kind: Kind): string => (kind === "cross" ? "layer.1.EncDecAttention" : "layer.0.SelfAttention");

/** W_O of one head as [width, Dv]: the columns of the output projection that this head's output meets. */
export function outputProjection(model: Model, layer: number, head: number, kind: Kind = "self"): Tensor | undefined {
  const linear = weightNamed(
    model,
    ...(kind === "self" ? [] : [`${stackOf(kind)}.block.${layer}.${sublayerOf(kind)}.o.weight`]),
    `layers.${layer}.self_attn.o_proj.weight`,
    `layer.${layer}.attention.output.dense.weight`,
    `layer.${layer}.attention.out_lin.weight`,
    `layers.${layer}.attention.dense.weight`,
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

/** The table of word vectors, [vocabulary, width]. */
export function wordTable(model: Model): Tensor | undefined {
  return weightNamed(
    model,
    "embed_tokens.weight",
    "embed_in.weight",
    "wte.weight",
    "embeddings.word_embeddings.weight",
    "shared.weight",
  );
}

interface HeadProjections {
  /** Each [D, width], with what is added, [D]. */
  q: Tensor;
  k: Tensor;
  v: Tensor;
  qBias?: Tensor;
  kBias?: Tensor;
  vBias?: Tensor;
}

/** Heads and key heads of a model, as its config says. */
function headCounts(model: Model): { heads: number; keyHeads: number } | undefined {
  const config = model.config as Record<string, number | undefined>;
  const heads = config["num_attention_heads"] ?? config["n_head"] ?? config["n_heads"] ?? config["num_heads"];
  return heads ? { heads, keyHeads: config["num_key_value_heads"] ?? heads } : undefined;
}

/** W_Q, W_K and W_V of one head: the rows of the projections that make it. */
export function headProjections(
  model: Model,
  layer: number,
  head: number,
  kind: Kind = "self",
): HeadProjections | undefined {
  const counts = headCounts(model);
  if (!counts) return undefined;
  const keyHead = Math.floor((head * counts.keyHeads) / counts.heads);
  const fused = weightNamed(model, `h.${layer}.attn.c_attn.weight`); // GPT-2: [width, 3·width], q beside k beside v
  if (fused) {
    const bias = weightNamed(model, `h.${layer}.attn.c_attn.bias`);
    const width = fused.shape[0]!;
    const D = width / counts.heads;
    const column = (part: number): Tensor => {
      const out = new Float32Array(D * width);
      for (let d = 0; d < D; d++)
        for (let n = 0; n < width; n++) out[d * width + n] = fused.data[n * 3 * width + part * width + head * D + d]!;
      return tensor(out, [D, width]);
    };
    const biasOf = (part: number): Tensor | undefined =>
      bias && tensor(bias.data.slice(part * width + head * D, part * width + (head + 1) * D), [D]);
    const [qBias, kBias, vBias] = [biasOf(0), biasOf(1), biasOf(2)];
    return { q: column(0), k: column(1), v: column(2), ...(qBias && { qBias }), ...(kBias && { kBias }), ...(vBias && { vBias }) }; // biome-ignore format: one head
  }
  const part = (what: "q" | "k" | "v"): { weight: Tensor; bias: Tensor | undefined } | undefined => {
    const long = { q: "query", k: "key", v: "value" }[what];
    const own = [
      `layers.${layer}.self_attn.${what}_proj`,
      `layer.${layer}.attention.self.${long}`,
      `layer.${layer}.attention.${what}_lin`,
      ...(kind === "self" ? [] : [`${stackOf(kind)}.block.${layer}.${sublayerOf(kind)}.${what}`]),
    ];
    const together = [`layers.${layer}.self_attn.qkv_proj`, `layers.${layer}.attention.query_key_value`];
    const find = (end: string): Tensor | undefined =>
      weightNamed(model, ...[...own, ...together].map((n) => `${n}.${end}`));
    const [whole, bias] = [find("weight"), find("bias")];
    if (!whole) return undefined;
    const [rows, width] = whole.shape as [number, number];
    const { heads, keyHeads } = counts;
    const at = { q: head, k: keyHead, v: keyHead }[what];
    const isOwn = weightNamed(model, ...own.map((n) => `${n}.weight`)) !== undefined;
    const byHead = weightNamed(model, `${together[1]}.weight`) !== undefined; // GPT-NeoX: q, k, v of head 0, of head 1 …
    const D = rows / (isOwn ? (what === "q" ? heads : keyHeads) : heads + 2 * keyHeads);
    const before = { q: 0, k: heads, v: heads + keyHeads }[what]; // heads in the same matrix in front of these: Phi-3
    const first = D * (isOwn ? at : byHead ? 3 * head + ["q", "k", "v"].indexOf(what) : before + at);
    return {
      weight: tensor(whole.data.slice(first * width, (first + D) * width), [D, width]),
      bias: bias && tensor(bias.data.slice(first, first + D), [D]),
    };
  };
  const [q, k, v] = [part("q"), part("k"), part("v")];
  if (!q || !k || !v) return undefined;
  return { q: q.weight, k: k.weight, v: v.weight, ...(q.bias && { qBias: q.bias }), ...(k.bias && { kBias: k.bias }), ...(v.bias && { vBias: v.bias }) }; // biome-ignore format: one head
}

/** What stands before a layer's attention: its norm; BERT, whose layers norm afterwards, norms its embeddings once. */
export function layerNormOf(model: Model, layer: number, kind: Kind = "self"): (x: Tensor) => Tensor {
  if (kind !== "self")
    return normNamed(model, `${stackOf(kind)}.block.${layer}.${sublayerOf(kind).replace(/\.\w+$/, "")}.layer_norm`);
  if (model.family === "encoder") return normNamed(model, "embeddings.LayerNorm");
  const before = model.layerAt(layer)?.before;
  return (x) => before?.forward(x) ?? x;
}

/** The norm at the end of T5's encoder, through which everything goes that its decoder looks at. */
export const memoryNormOf = (model: Model): ((x: Tensor) => Tensor) => normNamed(model, "encoder.final_layer_norm");

/** A norm by its name in the checkpoint; nothing where it is not there. */
function normNamed(model: Model, name: string): (x: Tensor) => Tensor {
  const [weight, bias] = [weightNamed(model, `${name}.weight`), weightNamed(model, `${name}.bias`)];
  if (!weight) return (x) => x;
  const { layer_norm_epsilon, layer_norm_eps } = model.config as Record<string, number | undefined>;
  const epsilon = layer_norm_epsilon ?? layer_norm_eps ?? (bias ? 1e-12 : 1e-6);
  return (x) => (bias ? ops().layerNorm(x, weight, bias, epsilon) : ops().rmsNorm(x, weight, epsilon));
}
