/**
 * @file Whole models: all-MiniLM-L6-v2 reads sentences of 128 tokens, SmolLM2-135M writes tokens. Everybody has the same
 * float32 numbers and the same count of threads; a peer that computes something else is named and not timed.
 */
import { repeat } from "../src/cli/shared/measure.js";
import { loadModel, type Model } from "../src/models/index.js";
import { decoderFolder, encoderFolder, minilm, missingFile, openSmollm2, smollm2 } from "./peers/model-files.js";
import { decoder, encoder, transformersEncoder } from "./peers/onnx-models.js";
import { ourKernel } from "./shared/ours.js";
import type { Case, Timed } from "./shared/question.js";

const LENGTH = 128;

function sentences(count: number, threads: number): Case {
  const kernel = ourKernel(threads);
  const texts = Array.from({ length: count }, (_, b) => [
    101,
    ...Array.from({ length: LENGTH - 2 }, (_, i) => 1996 + ((b * 7919 + i * 104729) % 20000)),
    102,
  ]);
  let ours: Float32Array | undefined;
  const open = async () => {
    const why = missingFile(minilm);
    if (why) throw new Error(why);
    const model = await loadModel(minilm);
    const run = (): Float32Array => model.forward({ inputIds: texts }).lastHiddenState.data as Float32Array;
    ours = run().slice();
    return run;
  };
  /** A peer, once its numbers are ours. */
  const same = (make: () => Promise<() => Promise<Float32Array>>) => async () => {
    const run = await make();
    const got = await run();
    const off = got.reduce((most, x, i) => Math.max(most, Math.abs(x - ours![i]!)), 0);
    if (!(off < 1e-3)) throw new Error(`is ${off.toExponential(1)} away from ours`);
    return run;
  };
  const [d, inner, layers] = [384, 1536, 6];
  return {
    title: `all-MiniLM-L6-v2 f32 · batch ${count} × ${LENGTH} tokens`,
    flop: 2 * count * LENGTH * layers * (4 * d * d + 2 * d * inner + 2 * LENGTH * d),
    threads,
    work: { count, unit: "sentences" },
    entries: [
      { name: `qkv ${kernel.name}`, open },
      { name: "onnxruntime-node", open: same(() => encoder("node", encoderFolder(), texts, threads)) },
      { name: "onnxruntime-web", open: same(() => encoder("web", encoderFolder(), texts, threads)) },
      { name: "transformers.js (Node)", open: same(() => transformersEncoder(encoderFolder(), texts, threads)) },
    ],
  };
}

/** Tokens of one run. The first one comes from the prompt and is not timed. */
const STEPS = 17;
const prompt = [1, 504, 3575, 28, 260, 7120, 1592, 198, 3575, 314, 253, 1123, 282, 260, 905, 30];

function tokens(threads: number): Case {
  const kernel = ourKernel(threads);
  let exact: Model | undefined;
  let ids: number[] = [];
  const ours = (weights: "f32" | "f16" | "int8") => async (): Promise<Timed> => {
    const why = missingFile(smollm2);
    if (why) throw new Error(why);
    const model = await openSmollm2(weights);
    const write = async (): Promise<{ ms: number; ids: number[] }> => {
      const got: number[] = [];
      let begin = 0;
      for await (const { id } of model.generate(prompt, { maxNewTokens: STEPS, temperature: 0, stop: [] })) {
        if (got.push(id) === 1) begin = performance.now();
      }
      return { ms: performance.now() - begin, ids: got };
    };
    if (weights === "f32") {
      exact = model;
      ids = (await write()).ids;
    }
    return timed(write);
  };
  const same = (kind: "node" | "web") => async (): Promise<Timed> => {
    const write = await decoder(kind, decoderFolder(exact!), prompt, STEPS, threads);
    const got = await write();
    if (got.ids.join() !== ids.join()) throw new Error(`writes other tokens: ${got.ids} instead of ${ids}`);
    return timed(write);
  };
  return {
    title: `SmolLM2-135M · ${STEPS - 1} tokens after a prompt of ${prompt.length}, greedy, cached`,
    flop: 2 * 134.5e6 * (STEPS - 1),
    threads,
    work: { count: STEPS - 1, unit: "tokens" },
    entries: [
      { name: `qkv ${kernel.name}, f32`, open: ours("f32") },
      { name: `qkv ${kernel.name}, f16 weights`, open: ours("f16") },
      { name: `qkv ${kernel.name}, int8 weights`, open: ours("int8") },
      { name: "onnxruntime-node, f32", open: same("node") },
      { name: "onnxruntime-web, f32", open: same("web") },
    ],
  };
}

const timed = (write: () => Promise<{ ms: number; ids: number[] }>): Timed => ({
  turn: (limits) => repeat(async () => (await write()).ms, limits),
  result: async () => (await write()).ids,
});

export const cases = (threads: number): (() => Case)[] => [
  () => sentences(1, threads),
  () => sentences(16, threads),
  () => tokens(threads),
];
