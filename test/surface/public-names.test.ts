/** @file Every public name, imported by the subpath it stands in, does in one small example what the manual says of it. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as efficient from "../../src/attention/efficient/index.js";
import { gradient } from "../../src/autograd/index.js";
import { check, checkModel } from "../../src/check/index.js";
import {
  attention,
  attentionGradient,
  attentionWeights,
  describeMask,
  mergeHeads,
  splitHeads,
  type Tensor,
  type TensorLike,
  tensor,
  zeros,
} from "../../src/index.js";
import { loadModel, type Model, readWeights } from "../../src/models/index.js";
import * as nn from "../../src/nn/index.js";
import { exposeAttention, openOnnx, withAttention } from "../../src/onnx/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import { readTrace, writeTrace } from "../../src/trace/index.js";
import { AdamW } from "../../src/training/index.js";
import { onnxCase } from "../goldens/onnx-case.js";
import { root } from "../goldens/where.js";

const data = join(root, "test/goldens/data");
/** Numbers between −1 and 1 that repeat for the same seed. */
function draw(shape: number[], seed = 1): Tensor {
  return tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9 + seed)),
    shape,
  );
}
const bits = (shape: number[], on: (i: number) => boolean): TensorLike => ({
  data: Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Number(on(i))),
  shape,
});
const near = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-5): void => {
  expect(got.length).toBe(want.length);
  Array.from(want).forEach((w, i) => expect(Math.abs(got[i]! - w), `at ${i}`).toBeLessThanOrEqual(tolerance));
};

describe("qkv: attention", () => {
  const [B, H, Lq, Lk, D, Dv] = [2, 4, 3, 5, 8, 6];
  const [q, k, v] = [draw([B, H, Lq, D]), draw([B, 2, Lk, D], 2), draw([B, 2, Lk, Dv], 3)];
  /** Which keys query `row` of head 0, batch item `batch` sees under some options. */
  const sees = (options: object, row = 0, batch = 0): number[] => {
    const { data } = attentionWeights(q, k, options);
    const at = (batch * H * Lq + row) * Lk;
    return Array.from(data.subarray(at, at + Lk), (w, j) => (w > 0 ? j : -1)).filter((j) => j >= 0);
  };
  test("results have the rank of q; k and v may have fewer heads", () => {
    expect(attention(q, k, v).shape).toEqual([B, H, Lq, Dv]);
    expect(attention(draw([H, Lq, D]), draw([2, Lk, D]), draw([2, Lk, Dv])).shape).toEqual([H, Lq, Dv]);
    expect(attention(draw([Lq, D]), draw([Lk, D]), draw([Lk, Dv])).shape).toEqual([Lq, Dv]);
  });
  test("whatever has { data, dims } is taken", () =>
    expect(attention({ data: q.data, dims: q.shape }, { data: k.data, dims: k.shape }, v).data).toEqual(
      attention(q, k, v).data,
    ));
  test.each<[string, object, number, number, number[]]>([
    ["causal: true is lower-right", { causal: true }, 0, 0, [0, 1, 2]],
    ['causal: "upper-left"', { causal: "upper-left" }, 1, 0, [0, 1]],
    ["queryOffset wins over the corner", { causal: true, queryOffset: 0 }, 1, 0, [0, 1]],
    ["queryOffset may be negative", { causal: true, queryOffset: -1 }, 1, 0, [0]],
    ["a window counts from queryOffset, both ends included", { window: { left: 1, right: 0 }, queryOffset: 2 }, 1, 0, [2, 3]],
    ["mask: 1 = may attend, broadcast", { mask: bits([1, Lk], (i) => i % 2 === 0) }, 0, 1, [0, 2, 4]],
    ["keyLengths", { keyLengths: [5, 3] }, 0, 1, [0, 1, 2]],
    ["keyPadding, on the left", { keyPadding: [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]] }, 0, 1, [2, 3, 4]],
    ["chunk", { chunk: 2, queryOffset: 0 }, 2, 0, [2, 3]],
    ["prefixLength", { prefixLength: 2, causal: true, queryOffset: 0 }, 0, 0, [0, 1]],
    ["documentIds", { documentIds: { query: [[0, 0, 1], [0, 0, 1]], key: [[0, 0, 1, 1, 2], [0, 1, 1, 1, 1]] } }, 2, 0, [2, 3]],
    ["blockMask", { blockMask: { ...bits([1, 2], (i) => i === 1), blockSize: 3 } }, 0, 0, [3, 4]],
    ["maskMod", { maskMod: (_b: number, _h: number, i: number, j: number) => j > i + 2 }, 1, 0, [4]],
    ["bias of −Infinity", { bias: tensor([0, -Infinity, 0, -Infinity, 0]) }, 0, 0, [0, 2, 4]],
    ["rules intersect", { causal: true, window: { left: 1 }, keyLengths: [2, 5] }, 0, 0, [1]],
  ])("%s", (_, options, row, batch, keys) => expect(sees(options, row, batch)).toEqual(keys)); // biome-ignore format: a table
  test.each<[string, object, (s: number, h: number, i: number, j: number) => number]>([
    ["scale", { scale: 2 }, (s) => s * 2 * Math.sqrt(D)],
    ["softcap", { softcap: 0.5 }, (s) => 0.5 * Math.tanh(s / 0.5)],
    ["bias", { bias: tensor([1, 2, 3, 4, 5]) }, (s, _h, _i, j) => s + j + 1],
    ["scoreMod", { scoreMod: (s: number, _b: number, h: number) => s * h }, (s, h) => s * h],
    ["alibi", { alibi: [1, 0.5, 0.25, 0.1] }, (s, h, i, j) => s - [1, 0.5, 0.25, 0.1][h]! * Math.abs(i + Lk - Lq - j)],
  ])("%s", (_, options, score) => {
    const weights = attentionWeights(q, k, options);
    for (const [h, i] of [[1, 0], [3, 2]] as const) {
      const s = Array.from({ length: Lk }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q.data[(h * Lq + i) * D + d]! * k.data[((h >> 1) * Lk + j) * D + d]!;
        return Math.exp(score(dot / Math.sqrt(D), h, i, j));
      });
      const total = s.reduce((a, b) => a + b);
      near(weights.data.subarray((h * Lq + i) * Lk, (h * Lq + i + 1) * Lk), s.map((e) => e / total));
    }
  }); // biome-ignore format: a table
  test("sinks take weight and give nothing", () => {
    const plain = attentionWeights(q, k);
    const { data } = attentionWeights(q, k, { sinks: [0, 0, 0, 9] });
    expect(data[0]!).toBeLessThan(plain.data[0]!);
    const sum = (h: number): number => data.subarray(h * Lq * Lk, h * Lq * Lk + Lk).reduce((a, b) => a + b);
    expect(sum(3)).toBeLessThan(0.02);
  });
  test("dropout is chosen by its seed alone", () => {
    const with_ = (seed: number): Float32Array => attention(q, k, v, { dropout: { rate: 0.5, seed } }).data;
    expect(with_(1)).toEqual(with_(1));
    expect(with_(1)).not.toEqual(with_(2));
  });
  test("a row that sees nothing gives zeros, or an error on request", () => {
    const none = { keyLengths: [5, 0] };
    expect(
      attention(q, k, v, none)
        .data.subarray(H * Lq * Dv)
        .every((x) => x === 0),
    ).toBe(true);
    expect(() => attention(q, k, v, { ...none, onEmptyRow: "error" })).toThrow(/may attend to nothing/);
  });
  test("returnLse: ln Σ e^s beside the output", () => {
    const { output, lse } = attention(q, k, v, { returnLse: true });
    expect([output.shape, lse.shape]).toEqual([
      [B, H, Lq, Dv],
      [B, H, Lq],
    ]);
    const s = attentionWeights(q, k);
    let dot = 0;
    for (let d = 0; d < D; d++) dot += q.data[d]! * k.data[d]!;
    expect(Math.log(s.data[0]!)).toBeCloseTo(dot / Math.sqrt(D) - lse.data[0]!, 5);
  });
  test("attentionWeights: rows and columns end before their second number", () => {
    const whole = attentionWeights(q, k, { causal: true });
    const part = attentionWeights(q, k, { causal: true, rows: [1, 3], columns: [2, 4] });
    expect(part.shape).toEqual([B, H, 2, 2]);
    near(
      part.data.subarray(0, 4),
      [7, 8, 12, 13].map((n) => whole.data[n]!),
      1e-7,
    );
  });
  test("attentionGradient: shapes of the operands, dBias in that of bias", () => {
    const bias = draw([H, 1, Lk]);
    const { dq, dk, dv, dBias } = attentionGradient(q, k, v, draw([B, H, Lq, Dv]), { bias });
    expect([dq, dk, dv, dBias!].map((t) => t.shape)).toEqual([q.shape, k.shape, v.shape, bias.shape]);
    expect(attentionGradient(q, k, v, draw([B, H, Lq, Dv]))).not.toHaveProperty("dBias");
  });
  test("splitHeads, mergeHeads, zeros, describeMask", () => {
    const x = draw([2, 3, 8]);
    expect(splitHeads(x, 4).shape).toEqual([2, 4, 3, 2]);
    expect(mergeHeads(splitHeads(x, 4)).data).toEqual(x.data);
    expect(zeros([2, 2]).data).toEqual(new Float32Array(4));
    expect(String(describeMask({ causal: true }, { queries: 3, keys: 3 }))).toContain("■");
  });
});

describe("qkv/attention/efficient", () => {
  const names = ["slidingWindow", "strided", "fixed", "longformer", "bigBird", "reformer", "linformer", "performer", "linearAttention", "streaming"] as const; // biome-ignore format: a list
  test.each(names)("%s: (q, k, v, options) → output, linear in v, with .cost", (name) => {
    const [q, v, w] = [draw([1, 2, 12, 4]), draw([1, 2, 12, 4], 2), draw([1, 2, 12, 4], 3)];
    const options = {
      window: name === "streaming" ? 4 : { left: 2, right: 2 }, stride: 3, blockSize: 2, randomBlocks: 1, globalTokens: [0], buckets: 4, rounds: 2,
      chunkLength: 4, projectK: draw([12, 3], 4), features: 6, sinks: 1, seed: 7,
    }; // biome-ignore format: one of each
    const own: Record<string, readonly string[]> = {
      slidingWindow: ["window"], strided: ["stride"], fixed: ["stride"], longformer: ["window", "globalTokens"],
      bigBird: ["blockSize", "randomBlocks", "seed"], reformer: ["buckets", "rounds", "chunkLength", "seed"],
      linformer: ["projectK"], performer: ["features", "seed"], linearAttention: [], streaming: ["sinks", "window"],
    }; // biome-ignore format: a table
    const given = Object.fromEntries(own[name]!.map((o) => [o, options[o as keyof typeof options]]));
    const run = ({ ...efficient } as Record<string, unknown>)[name] as unknown as ((...a: unknown[]) => Tensor) & {
      cost(shape: object, o?: object): Record<string, number>;
    };
    const keys = q; // reformer takes q and k as one tensor
    const [a, b] = [run(q, keys, v, given), run(q, keys, w, given)];
    expect(a.shape).toEqual([1, 2, 12, 4]);
    const sum = run(
      q,
      keys,
      tensor(
        v.data.map((x, i) => x + 2 * w.data[i]!),
        [...v.shape],
      ),
      given,
    );
    near(
      sum.data,
      Array.from(a.data, (x, i) => x + 2 * b.data[i]!),
      1e-4,
    );
    const cost = run.cost({ heads: 2, length: 12, headDim: 4 }, given);
    expect(cost["multiplyAdds"]).toBeGreaterThan(0);
    expect(cost["bytes"]).toBeGreaterThan(0);
  });
});

describe("qkv/nn and qkv/autograd", () => {
  const x = draw([2, 3, 8]);
  test("MultiHeadAttention: torch's names in, output and weights out, self and cross", () => {
    const layer = new nn.MultiHeadAttention({ dModel: 8, heads: 2, keyDim: 6, valueDim: 5 }).initialise(1);
    const memory = { key: draw([2, 4, 6]), value: draw([2, 4, 5]) };
    const { output, weights } = layer.forward(x, memory.key, memory.value, { returnWeights: true });
    expect([output.shape, weights.shape]).toEqual([
      [2, 3, 8],
      [2, 2, 3, 4],
    ]);
    expect(Object.keys(layer.parameters())).toEqual(["q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]); // biome-ignore format: a list
    const copy = new nn.MultiHeadAttention({ dModel: 8, heads: 2, keyDim: 6, valueDim: 5 }).load(layer.parameters());
    expect(copy.forward(x, memory.key, memory.value).data).toEqual(output.data);
    expect(() => copy.load({})).toThrow(/is not among the 0 weights given/);
    expect(new nn.MultiHeadAttention({ dModel: 8, heads: 2, biasKV: true, zeroKV: true }).initialise(1).forward(x, x, x, { causal: true, returnWeights: true }).weights.shape).toEqual([2, 2, 3, 5]); // biome-ignore format: one example
  });
  test("EncoderBlock, Encoder, DecoderBlock", () => {
    const size = { dModel: 8, heads: 2, feedForward: 16, activation: "gelu" as const };
    const block = new nn.EncoderBlock(size).initialise(1);
    const keyPadding = [[1, 1, 0], [1, 1, 1]];
    expect(block.forward(x, { causal: true, keyPadding }).shape).toEqual([2, 3, 8]);
    const stack = new nn.Encoder({ ...size, normFirst: true, layers: 2, finalNorm: true }).initialise(1);
    expect(stack.forward(x).shape).toEqual([2, 3, 8]);
    expect(Object.keys(stack.parameters()).filter((n) => /^(norm|layers\.1\.norm2)\.weight$/.test(n))).toHaveLength(2);
    const decoder = new nn.DecoderBlock({ ...size, epsilon: 1e-6, bias: false }).initialise(1);
    expect(decoder.forward(x, draw([2, 4, 8]), { causal: true, memoryKeyPadding: [[1, 1, 1, 0], [1, 1, 1, 1]] }).shape).toEqual([2, 3, 8]);
  }); // biome-ignore format: one example each
  test.each(["RNN", "LSTM", "GRU"] as const)("%s: batch first, { output, h, c }", (kind) => {
    const layer = new { RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU }[kind]({
      inputSize: 8,
      hiddenSize: 5,
      layers: 2,
      bidirectional: true,
    }).initialise(1);
    const { output, h, c } = layer.forward(x) as { output: Tensor; h: Tensor; c?: Tensor };
    expect([output.shape, h.shape, c?.shape]).toEqual([[2, 3, 10], [4, 2, 5], kind === "LSTM" ? [4, 2, 5] : undefined]);
  });
  test("functions, by hand", () => {
    near(nn.layerNorm(tensor([1, 3]), tensor([2, 2]), tensor([1, 1])).data, [-1, 3], 1e-4);
    near(nn.rmsNorm(tensor([3, 4]), tensor([1, 1])).data, [3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)]);
    near(nn.gelu(tensor([1])).data, [0.8413447]);
    near(nn.gelu(tensor([1]), { approximate: "tanh" }).data, [0.841192]);
    near(nn.silu(tensor([1])).data, [0.7310586]);
    near(nn.relu(tensor([-1, 2])).data, [0, 2]);
    near(nn.tanh(tensor([1])).data, [0.7615942]);
    near(nn.sigmoid(tensor([0])).data, [0.5]);
    near(nn.erf(tensor([1])).data, [0.8427008]);
    near(nn.softmax(tensor([0, Math.log(3)])).data, [0.25, 0.75]);
    near(nn.logSoftmax(tensor([0, 0])).data, [-Math.LN2, -Math.LN2]);
    near(nn.crossEntropy(tensor([0, 0, 5, 0], [2, 2]), [1, -100] as never).data, [Math.LN2]);
  });
  test("gradient: one slope a position, parameters by name, dOut with the result's keys", () => {
    const layer = new nn.Linear({ inputs: 8, outputs: 4 }).initialise(1);
    const { output, inputs, parameters } = gradient(layer, [x], draw([2, 3, 4]));
    expect([output.shape, inputs[0]!.shape]).toEqual([
      [2, 3, 4],
      [2, 3, 8],
    ]);
    expect(Object.keys(parameters).sort()).toEqual(["bias", "weight"]);
    const lstm = new nn.LSTM({ inputSize: 8, hiddenSize: 5 }).initialise(1);
    expect(gradient(lstm, [x], { h: draw([1, 2, 5]) }).inputs[0]!.data.some((s) => s !== 0)).toBe(true);
    const mha = new nn.MultiHeadAttention({ dModel: 8, heads: 2 }).initialise(1);
    const slopes = gradient(
      mha,
      [x, x, x],
      { weights: draw([2, 2, 3, 3]) },
      { causal: true, returnWeights: true },
    ).inputs;
    expect(slopes.map((s) => s.data.some((n) => n !== 0))).toEqual([true, true, false]); // a map does not depend on values
  });
});

describe("qkv/models, qkv/text, qkv/trace, qkv/training", () => {
  let model: Model;
  let place = "";
  beforeAll(async () => {
    model = await loadModel(join(data, "gpt2/lm-h4-d32/model"));
    place = mkdtempSync(join(tmpdir(), "qkv-names-"));
  });
  afterAll(() => rmSync(place, { recursive: true, force: true }));
  const ids = [5, 7, 11, 13];

  test("forward: what the architecture has, and a trace of every head", () => {
    const run = model.forward({ inputIds: [ids, [1, 2]] }, { trace: { hiddenStates: true, values: true } });
    expect([run.lastHiddenState.shape, run.logits!.shape]).toEqual([
      [2, 4, 32],
      [2, 4, 97],
    ]);
    const { trace } = run;
    expect(trace.hiddenStates).toHaveLength(3);
    expect(trace.hiddenStates[2]!.data).toEqual(run.lastHiddenState.data);
    const part = trace.weights({ layer: 1, head: 2, kind: "self", batch: 0, rows: [1, 3], columns: [0, 2] });
    const whole = trace.weights({ layer: 1 });
    expect([part.shape, whole.shape]).toEqual([
      [1, 1, 2, 2],
      [2, 4, 4, 4],
    ]);
    expect([...part.data]).toEqual([4, 5, 8, 9].map((n) => whole.data[2 * 16 + n]));
    const back = readTrace(writeTrace(trace));
    expect(back.weights({ layer: 1 }).data).toEqual(whole.data);
  });
  test("an encoder–decoder has encoder, decoder and cross maps", async () => {
    const t5 = await loadModel(join(data, "t5/relu-tied/model"));
    const { trace, encoderLastHiddenState } = t5.forward(
      { inputIds: [[3, 4, 5]], decoderInputIds: [[0, 6]], decoderAttentionMask: [[1, 1]] },
      { trace: { hiddenStates: true } },
    );
    const shape = (kind: "encoder" | "decoder" | "cross"): number[] => trace.weights({ layer: 0, kind }).shape.slice(2);
    expect([shape("encoder"), shape("decoder"), shape("cross")]).toEqual([
      [3, 3],
      [2, 2],
      [2, 3],
    ]);
    expect(encoderLastHiddenState!.shape[1]).toBe(3);
    expect(trace.decoderHiddenStates).toBe(trace.hiddenStates);
    expect(trace.encoderHiddenStates.at(-1)!.data).toEqual(encoderLastHiddenState!.data);
  });
  test("an encoder has a pooled state and token types", async () => {
    const bert = await loadModel(join(data, "bert/base-h12-d48/model"));
    const run = bert.forward({
      inputIds: [[1, 2, 3]],
      tokenTypeIds: [[0, 0, 1]],
      attentionMask: [[1, 1, 0]],
      positionIds: [[0, 1, 2]],
    });
    expect(run.pooled!.shape).toEqual([1, 48]);
  });
  test("generate: greedy at temperature 0, seeded otherwise; stop: [] switches the end token off", async () => {
    const run = async (options: object): Promise<number[]> => {
      const out: number[] = [];
      for await (const step of model.generate(ids, { maxNewTokens: 4, stop: [], ...options })) {
        expect(step.logits.shape).toEqual([97]);
        expect(typeof step.token).toBe("string");
        out.push(step.id);
      }
      return out;
    };
    const greedy = await run({ temperature: 0 });
    const { logits } = model.forward({ inputIds: [ids] });
    const last = logits!.data.subarray(3 * 97);
    expect(greedy[0]).toBe(last.indexOf(Math.max(...last)));
    const sampled = { temperature: 1, topK: 20, topP: 0.9, seed: 3 };
    expect(await run(sampled)).toEqual(await run(sampled));
    expect(await run({ temperature: 0, stop: [greedy[0]!] })).toEqual([greedy[0]]);
  });
  test("edit: zero, a factor, mean, mask, scale, weights", () => {
    const plain = model.forward({ inputIds: [ids] });
    const changed = (edit: object): boolean =>
      model
        .forward({ inputIds: [ids] }, { edit: [{ layer: 0, head: 1, ...edit }] })
        .logits!.data.some((x, i) => x !== plain.logits!.data[i]);
    const lower = bits([4, 4], (n) => n % 4 === 0);
    const edits = [
      { output: "zero" },
      { output: "mean" },
      { output: 0.5 },
      { mask: lower },
      { scale: 1 },
      { weights: lower },
    ];
    expect(edits.map(changed)).toEqual([true, true, true, true, true, true]);
    const seen = model.forward({ inputIds: [ids] }, { edit: [{ layer: 0, head: 1, mask: lower }], trace: true }).trace;
    const [first, ...rest] = seen.weights({ layer: 0, head: 1, rows: [3, 4] }).data;
    expect(rest).toEqual([0, 0, 0]);
    expect(Math.abs(first! - 1)).toBeLessThan(1e-6); // e^(s − lse) with both rounded to float32: some 2⁻²⁴·(|s| + |lse|) off
  });
  test("loss.value, loss.backward() by the checkpoint's names, AdamW makes it smaller", async () => {
    const own = await loadModel(join(data, "gpt2/lm-h4-d32/model"), { weights: "numbers" });
    const loss = () => own.loss({ inputIds: [ids], labels: [ids] });
    const before = loss().value;
    const optimiser = new AdamW({ learningRate: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
    const gradients = loss().backward();
    expect(Object.keys(gradients).sort()).toEqual(Object.keys(own.parameters()).sort());
    expect(gradients["transformer.h.0.attn.c_attn.weight"]!.shape).toEqual([32, 96]);
    optimiser.step(own, gradients);
    expect(loss().value).toBeLessThan(before);
  });
  test("readWeights: safetensors and GGUF", async () => {
    for (const file of ["gpt2/lm-h4-d32/model/model.safetensors", "gguf/llama-f32/model.gguf"]) {
      const weights = await readWeights(join(data, file));
      expect(weights.tensor(weights.names[0]!).size).toBeGreaterThan(0);
      expect(typeof weights.metadata).toBe("object");
      weights.close();
    }
    expect((await loadModel(join(data, "gguf/llama-f32/model.gguf"))).architecture).toBe("llama");
  });
  test("loadTokenizer of a file and of a folder: ids, tokens, offsets, typeIds; decode", async () => {
    cpSync(join(data, "tokenizer/bert-wordpiece/tokenizer.json"), join(place, "tokenizer.json"));
    for (const path of [place, join(place, "tokenizer.json")]) {
      const tokenizer = await loadTokenizer(path);
      const { ids, tokens, offsets, typeIds } = tokenizer.encode("the cat", { pair: "a dog" });
      expect(tokens[0]).toBe("[CLS]");
      expect(offsets[0]).toEqual([0, 0]);
      expect(offsets[1]![0]).toBe(0);
      expect([typeIds[0], typeIds.at(-1)]).toEqual([0, 1]);
      expect(tokenizer.encode("the cat", { addSpecialTokens: false }).tokens).not.toContain("[CLS]");
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).not.toContain("[CLS]");
    }
  });
});

describe("qkv/check", () => {
  test("check: right passes, a missing scale is named", async () => {
    expect((await check((q, k, v, options) => attention(q, k, v, options))).ok).toBe(true);
    const report = await check((q, k, v, options) => attention(q, k, v, { ...options, scale: options.scale ?? 1 }));
    expect([report.ok, report.findings[0]!.rule]).toEqual([false, "scale-missing"]);
    expect(Object.keys(report.findings[0]!)).toEqual(
      expect.arrayContaining(["rule", "severity", "message", "evidence", "fix", "reference"]),
    );
  });
  test("checkModel: forward(ids, attentionMask)", async () => {
    const model = await loadModel(join(data, "gpt2/lm-h4-d32/model"));
    const candidate = {
      config: { vocabSize: 97, causal: true },
      forward: (inputIds: number[][], attentionMask: number[][]) => model.forward({ inputIds, attentionMask }).logits,
    };
    expect((await checkModel(candidate)).findings.filter((f) => f.severity === "error")).toEqual([]);
  });
});

describe("qkv/onnx", () => {
  const folder = join(data, "onnx-models/gpt2-torchscript-op14-eager");
  test("openOnnx finds and runs attention; exposeAttention gives it as outputs; withAttention can be taken back", async () => {
    const about = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
    const { feeds, path } = onnxCase({ id: "gpt2", folder, about });
    const model = await openOnnx(path, { runtime: "node", session: { intraOpNumThreads: 1 } });
    const [first] = model.attentions;
    expect([first!.kind, first!.layer, typeof first!.heads, typeof first!.tapped]).toEqual([
      "self",
      0,
      "number",
      "string",
    ]);
    expect(model.inputs[0]!.name).toBe("input_ids");
    const { outputs, trace } = await model.run(feeds, { layers: [0], kinds: ["self"] });
    const { data: weights, shape } = trace.weights({ kind: "self", layer: 0, head: 0, batch: 0, rows: [1, 2] });
    expect(shape.slice(0, 3)).toEqual([1, 1, 1]);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(trace.emptyRows({ kind: "self", layer: 0 })).toBeInstanceOf(Array);
    expect(Object.values(outputs)[0]!.shape.length).toBeGreaterThan(0);
    await model.release();
    const bytes = new Uint8Array(readFileSync(path));
    const exposed = await openOnnx(exposeAttention(bytes));
    expect(exposed.outputs.map((o) => o.name)).toContain("attentions.0");
    const env = { useCustomCache: false } as { useCustomCache: boolean; customCache?: unknown };
    const back = withAttention(env);
    expect(env.customCache).toBeDefined();
    back();
    expect(env.useCustomCache).toBe(false);
  });
});
