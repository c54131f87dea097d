import { describe, expect, test } from "vitest";
import { readTrace, writeTrace } from "../trace/index.js";
import { tensor } from "../tensor/index.js";
import { Config } from "./config.js";
import { Gpt2 } from "./gpt2.js";
import { Llama } from "./llama.js";

const llama = () =>
  new Llama(
    new Config({
      model_type: "llama",
      hidden_size: 12,
      intermediate_size: 14,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      num_key_value_heads: 1,
      vocab_size: 17,
      max_position_embeddings: 32,
    }),
    { name: "small" },
  ).initialise(7);
const ids = [3, 1, 4, 1, 5, 9, 2];
const largest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i]!)), 0);

describe("edits", () => {
  test("silencing a head is deleting its columns of the output projection", () => {
    const edited = llama().forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 2, output: "zero" }] });
    const cut = llama();
    const { data } = cut.parameters()["model.layers.1.self_attn.o_proj.weight"]!; // [12, 3·4]
    for (let row = 0; row < 12; row++) data.fill(0, row * 12 + 8, row * 12 + 12);
    expect(largest(edited.logits!.data, cut.forward({ inputIds: [ids] }).logits!.data)).toBeLessThan(1e-6);
  });
  test("a factor of 1, the model's own scale and a mask of ones change nothing", () => {
    const model = llama();
    const plain = model.forward({ inputIds: [ids] }).logits!.data;
    const ones = { data: new Uint8Array(49).fill(1), shape: [7, 7] };
    for (const edit of [{ output: 1 }, { scale: 1 / Math.sqrt(4) }, { mask: ones }]) {
      const { logits } = model.forward({ inputIds: [ids] }, { edit: [{ layer: 0, head: 1, ...edit }] });
      expect(largest(logits!.data, plain)).toBeLessThan(1e-6);
    }
  });
  test("a mask is in the trace: the head sees only itself, the others as before", () => {
    const model = llama();
    const self = { data: Uint8Array.from({ length: 49 }, (_, n) => (n % 8 === 0 ? 1 : 0)), shape: [7, 7] };
    const { trace } = model.forward({ inputIds: [ids] }, { trace: true, edit: [{ layer: 0, head: 1, mask: self }] });
    const plain = model.forward({ inputIds: [ids] }, { trace: true }).trace;
    const map = trace.weights({ layer: 0, head: 1 }).data;
    for (let n = 0; n < 49; n++) expect(map[n]).toBeCloseTo(n % 8 === 0 ? 1 : 0, 6);
    expect(trace.weights({ layer: 0, head: 0 }).data).toEqual(plain.weights({ layer: 0, head: 0 }).data);
    expect(trace.info.provenance.edits).toHaveLength(1);
  });
  test("the head's own map given as weights changes nothing; another one does", () => {
    const model = llama();
    const run = model.forward({ inputIds: [ids] }, { trace: true });
    const own = run.trace.weights({ layer: 1, head: 0 });
    const same = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, weights: own }] });
    expect(largest(same.logits!.data, run.logits!.data)).toBeLessThan(1e-5);
    const first = tensor(
      Float32Array.from({ length: 49 }, (_, n) => (n % 7 === 0 ? 1 : 0)),
      [7, 7],
    );
    const other = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, weights: first }] });
    expect(largest(other.logits!.data, run.logits!.data)).toBeGreaterThan(1e-4);
  });
  test("a map given as weights is the map that the trace and its file show, whole and in part", () => {
    const model = llama();
    const first = tensor(
      Float32Array.from({ length: 49 }, (_, n) => (n % 7 === 0 ? 1 : 0)),
      [7, 7],
    );
    const inputs = { inputIds: [ids, ids] };
    const plain = model.forward(inputs, { trace: true }).trace;
    const { trace } = model.forward(inputs, { trace: true, edit: [{ layer: 1, head: 1, weights: first }] });
    for (const seen of [trace, readTrace(writeTrace(trace))]) {
      expect([...seen.weights({ layer: 1, head: 1, batch: 1 }).data]).toEqual([...first.data]);
      expect([...seen.weights({ layer: 1, head: 1, batch: 0, rows: [2, 4], columns: [0, 3] }).data]).toEqual([
        1, 0, 0, 1, 0, 0,
      ]);
      const whole = seen.weights({ layer: 1 }); // [2, 3, 7, 7]
      expect([...whole.data.subarray(49, 98)]).toEqual([...first.data]);
      expect(seen.weights({ layer: 1, head: 0 }).data).toEqual(plain.weights({ layer: 1, head: 0 }).data);
      expect(seen.weights({ layer: 0 }).data).toEqual(plain.weights({ layer: 0 }).data);
    }
  });
  test("mean: every token gets the head's mean, so its sum stays", () => {
    const model = llama();
    const run = model.forward({ inputIds: [ids] }, { edit: [{ layer: 1, head: 0, output: "mean" }] });
    expect(run.logits!.data.every(Number.isFinite)).toBe(true);
  });
});

describe("padding", () => {
  test.each([
    ["left", [[0, 0, ...ids]], [[0, 0, 1, 1, 1, 1, 1, 1, 1]], 2],
    ["right", [[...ids, 0, 0]], [[1, 1, 1, 1, 1, 1, 1, 0, 0]], 0],
  ] as const)("on the %s changes no real token", (_, inputIds, attentionMask, shift) => {
    const model = llama();
    const plain = model.forward({ inputIds: [ids] }).logits!.data;
    const padded = model.forward({ inputIds: inputIds as never, attentionMask: attentionMask as never }).logits!.data;
    expect(largest(padded.subarray(shift * 17, (shift + 7) * 17), plain)).toBeLessThan(1e-5);
  });
  test("rows of unequal length are padded by themselves", () => {
    const model = llama();
    const both = model.forward({ inputIds: [ids, [3, 1]] }).logits!.data;
    const alone = model.forward({ inputIds: [[3, 1]] }).logits!.data;
    expect(largest(both.subarray(7 * 17, 9 * 17), alone)).toBeLessThan(1e-5);
  });
});

test("a model in half precision is near, in int8 less so, and training gives the numbers back", () => {
  const plain = llama().forward({ inputIds: [ids] }).logits!.data;
  const half = llama().pack((_, p) => (p.shape.length === 2 && p.shape[0] !== 17 ? "f16" : undefined));
  const off = largest(half.forward({ inputIds: [ids] }).logits!.data, plain);
  expect(off).toBeGreaterThan(0);
  expect(off).toBeLessThan(0.02);
  const gradients = half.loss({ inputIds: [ids], labels: [ids] }).backward();
  expect(Object.keys(gradients)).toEqual(Object.keys(half.parameters()));
});

test("GPT-2's weights keep the checkpoint's way round, packed or not", () => {
  const json = { model_type: "gpt2", n_embd: 8, n_head: 2, n_layer: 1, n_positions: 16, vocab_size: 17 };
  const model = new Gpt2(new Config(json), { name: "small" }).initialise(3);
  const before = model.forward({ inputIds: [ids] }).logits!.data;
  const weight = model.state()["transformer.h.0.mlp.c_fc.weight"]!;
  expect(weight.shape).toEqual([8, 32]);
  model.pack((name) => (/c_\w+\.weight$/.test(name) ? "f32" : undefined));
  expect(largest(model.forward({ inputIds: [ids] }).logits!.data, before)).toBeLessThan(1e-5);
  expect(model.state()["transformer.h.0.mlp.c_fc.weight"]!.data).toEqual(weight.data);
});
