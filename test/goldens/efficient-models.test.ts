/** Whole Hugging Face models of the efficient kind, put together from layers here, with the checkpoint's weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ops, referenceKernel, withOperations } from "../../src/kernels/index.js";
import { BigBirdSelfAttention, LongformerSelfAttention, Module, MultiHeadAttention, ReformerSelfAttention, ReversibleBlock } from "../../src/nn/index.js";
import { readSafetensors, type Tensor, tensor } from "../../src/tensor/index.js";
import { tensorsOf, within } from "./efficient.js";
import { type GoldenCase, goldenSets } from "./where.js";

type Weights = Record<string, Tensor>;
const modelCase = (set: string): GoldenCase | undefined => goldenSets(set).find((c) => c.about.kind === "hf-model");

function checkpoint(c: GoldenCase): { w: Weights; config: Record<string, number> } {
  const file = readSafetensors(readFileSync(join(c.folder, "model/model.safetensors")));
  const config = JSON.parse(readFileSync(join(c.folder, "model/config.json"), "utf8"));
  return { w: Object.fromEntries(file.names.map((n) => [n, file.tensor(n)])), config };
}

const under = (w: Weights, prefix: string): Weights =>
  Object.fromEntries(Object.entries(w).filter(([n]) => n.startsWith(prefix)).map(([n, t]) => [n.slice(prefix.length), t]));
const linear = (x: Tensor, w: Weights, name: string, more: object = {}) =>
  ops().linear(x, w[`${name}.weight`]!, { bias: w[`${name}.bias`], ...more });
const norm = (x: Tensor, w: Weights, name: string) => ops().layerNorm(x, w[`${name}.weight`], w[`${name}.bias`], 1e-12);

function embed(w: Weights, ids: Tensor, positions: (b: number, i: number) => number): Tensor {
  const o = ops();
  const [B, L] = ids.shape as [number, number];
  const rows = (name: string, id: (n: number) => number) =>
    o.gather(w[`embeddings.${name}_embeddings.weight`]!, Int32Array.from({ length: B * L }, (_, n) => id(n)));
  const sum = o.binary("add", rows("word", (n) => ids.data[n]!), rows("position", (n) => positions(Math.floor(n / L), n % L)));
  const all = o.binary("add", sum, rows("token_type", () => 0));
  return o.reshape(norm(all, w, "embeddings.LayerNorm"), [B, L, all.shape[1]!]);
}

/** BERT's block around an attention: post-norm, feed-forward. */
function bertLayer(x: Tensor, w: Weights, attended: Tensor, activation: "gelu" | "geluTanh"): Tensor {
  const a = norm(linear(attended, w, "attention.output.dense", { residual: x }), w, "attention.output.LayerNorm");
  const inner = linear(a, w, "intermediate.dense", { activation });
  return norm(linear(inner, w, "output.dense", { residual: a }), w, "output.LayerNorm");
}

const rowsOf = (t: Tensor, length: number): Tensor => ops().slice(t, 1, 0, length);

const longformer = modelCase("longformer");
describe.skipIf(!longformer)("longformer model", () => {
  const c = longformer!;
  const { w, config } = checkpoint(c);
  const t = tensorsOf(c);
  test.each(["global", "local_only"])("%s: every hidden state", (run) =>
    withOperations(referenceKernel(), () => {
      const [ids, mask, global] = ["input_ids", "attention_mask", "global_attention_mask"].map((n) => t(`${run}.${n}`)) as [Tensor, Tensor, Tensor];
      const [B, L] = ids.shape as [number, number];
      const pad = config["pad_token_id"]!;
      // RoBERTa's positions: real tokens are counted from pad + 1, pads stand at pad
      const position = (b: number, i: number) =>
        ids.data[b * L + i] === pad ? pad : pad + ids.data.slice(b * L, b * L + i + 1).filter((id) => id !== pad).length;
      let x = embed(w, ids, position);
      const real = (n: number[]) => mask.data[n[0]! * L + n[1]!] === 0;
      within(x, t(`${run}.hidden_states.0`), c, `${run}.hidden_states.0`);
      const globalTokens = Array.from({ length: B }, (_, b) => Array.from({ length: L }, (_, i) => i).filter((i) => global.data[b * L + i] === 1));
      for (const [n, size] of (config["attention_window"] as unknown as number[]).entries()) {
        const own = under(w, `encoder.layer.${n}.`);
        const layer = new LongformerSelfAttention({ dModel: 24, heads: 3, window: { left: size / 2, right: size / 2 } });
        layer.load(under(own, "attention.self."));
        x = bertLayer(x, own, layer.forward(x, { keyPadding: mask, globalTokens }), "gelu");
        within(x, t(`${run}.hidden_states.${n + 1}`), c, `${run}.hidden_states.${n + 1}`, real);
      }
      const pooled = linear(ops().reshape(rowsOf(x, 1), [B, 24]), w, "pooler.dense", { activation: "tanh" });
      within(pooled, t(`${run}.pooler_output`), c, `${run}.pooler_output`);
    }),
  );
});

const bigBird = modelCase("bigbird");
describe.skipIf(!bigBird)("bigbird model", () => {
  const c = bigBird!;
  const { w } = checkpoint(c);
  const t = tensorsOf(c);
  test.each([["sparse", 48], ["short_full", 14]] as const)("%s: every hidden state", (run, length) =>
    withOperations(referenceKernel(), () => {
      const [ids, mask] = [t(`${run}.input_ids`), t(`${run}.attention_mask`)];
      const [B, L] = ids.shape as [number, number];
      let x = embed(w, ids, (_, i) => i);
      const padded = (n: number[]) => mask.data[n[0]! * L + n[1]!] === 0;
      for (let n = 0; n < 2; n++) {
        const own = under(w, `encoder.layer.${n}.`);
        const weights = under(own, "attention.self.");
        let attended: Tensor;
        if (length === 48) {
          const layer = new BigBirdSelfAttention({ dModel: 24, heads: 3, blockSize: 4 }).load(weights);
          const randomBlocks = { data: new Int32Array(3 * 10 * 2), shape: [3, 10, 2] }; // evaluation: block 0, twice
          attended = layer.forward(x, { keyPadding: mask, randomBlocks });
        } else attended = fullAttention(weights).forward(x, x, x, { keyPadding: mask });
        x = bertLayer(x, own, attended, "geluTanh");
        const want = t(`${run}.hidden_states.${n + 1}`);
        within(x, want.shape[1] === L ? want : rowsOf(want, L), c, `${run}.hidden_states.${n + 1}`, padded);
      }
      const pooled = linear(ops().reshape(rowsOf(x, 1), [B, 24]), w, "pooler", { activation: "tanh" });
      within(pooled, t(`${run}.pooler_output`), c, `${run}.pooler_output`);
    }),
  );
});

/** Hugging Face's query, key, value as torch's fused projection, and no projection after. */
function fullAttention(w: Weights): MultiHeadAttention {
  const join = (kind: string) => ops().concat(["query", "key", "value"].map((n) => w[`${n}.${kind}`]!), 0);
  const identity = tensor(Float32Array.from({ length: 576 }, (_, n) => (n % 24 === Math.floor(n / 24) ? 1 : 0)), [24, 24]);
  return new MultiHeadAttention({ dModel: 24, heads: 3 }).load({
    in_proj_weight: join("weight"),
    in_proj_bias: join("bias"),
    "out_proj.weight": identity,
    "out_proj.bias": tensor(new Float32Array(24)),
  });
}

const reformer = modelCase("reformer");
describe.skipIf(!reformer)("reformer model", () => {
  const c = reformer!;
  test("a local and a hashed layer in reversible blocks, axial positions", () =>
    withOperations(referenceKernel(), () => {
      const { w } = checkpoint(c);
      const t = tensorsOf(c);
      const o = ops();
      const ids = t("input_ids");
      const [B, L] = ids.shape as [number, number];
      const axis = (n: number, index: (i: number) => number) => {
        const table = w[`embeddings.position_embeddings.weights.${n}`]!; // [8, 1, 8] and [1, 4, 16]
        const width = table.shape[2]!;
        const at = Int32Array.from({ length: B * L }, (_, r) => index(r % L));
        return o.gather(o.reshape(table, [table.size / width, width]), at);
      };
      const places = o.concat([axis(0, (i) => Math.floor(i / 4)), axis(1, (i) => i % 4)], 1);
      const words = o.gather(w["embeddings.word_embeddings.weight"]!, Int32Array.from(ids.data));
      let x2 = o.reshape(o.binary("add", words, places), [B, L, 24]);
      let x1 = x2;
      within(x2, t("hidden_states.0"), c, "hidden_states.0");
      for (const [n, kind] of ["local", "lsh"].entries()) {
        const own = under(w, `encoder.layers.${n}.`);
        const block = new ReversibleBlock(new Attend(own, kind === "lsh", t("random_rotations.0")), new Feed(own));
        [x1, x2] = block.forward(x1, x2);
        within(x2, t(`hidden_states.${n + 1}`), c, `hidden_states.${n + 1}`);
      }
      within(norm(o.concat([x1, x2], 2), w, "encoder.layer_norm"), t("last_hidden_state"), c, "last_hidden_state");
    }));
});

class Attend extends Module {
  readonly layer: ReformerSelfAttention;
  readonly w: Weights;
  readonly call: object;
  constructor(w: Weights, hashing: boolean, rotations: Tensor) {
    super();
    this.w = w;
    this.call = hashing ? { rotations } : {};
    const hashed = hashing ? { buckets: 4, rounds: 2 } : {};
    this.layer = new ReformerSelfAttention({ dModel: 24, heads: 3, chunkLength: 4, hashing, ...hashed });
    this.layer.load(under(w, "attention.self_attention."));
  }
  parts() {
    return { layer: this.layer };
  }
  forward(x: Tensor): Tensor {
    const y = this.layer.forward(norm(x, this.w, "attention.layer_norm"), this.call);
    return linear(y, this.w, "attention.output.dense");
  }
}

class Feed extends Module {
  readonly w: Weights;
  constructor(w: Weights) {
    super();
    this.w = w;
  }
  parts() {
    return {};
  }
  forward(x: Tensor): Tensor {
    const inner = linear(norm(x, this.w, "feed_forward.layer_norm"), this.w, "feed_forward.dense.dense", { activation: "relu" });
    return linear(inner, this.w, "feed_forward.output.dense");
  }
}

test("all three models are here", () => expect([longformer, bigBird, reformer].every(Boolean)).toBe(true));
