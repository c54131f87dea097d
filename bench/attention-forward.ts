/** @file Attention forward: 12 heads of 64, one thread, with and without the causal mask. */
import { attentionCallOf, flopOf, operands } from "../src/kernels/problems.js";
import { attentionRunner as jaxjs } from "./peers/jaxjs.js";
import { loops } from "./peers/loops.js";
import { attentionRunner as onnx, merge } from "./peers/onnxruntime.js";
import { pytorch } from "./peers/pytorch.js";
import { attentionRunner as tfjs } from "./peers/tfjs.js";
import { exactRows } from "./shared/exact.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

/** Above this the slowest peers would take the whole budget. */
const SLOW_PEERS_UP_TO = 512;

function one(N: number, causal: boolean, threads: number): Case {
  const problem = { heads: 12, queries: N, keys: N, headDim: 64, causal };
  const call = attentionCallOf(problem, operands(problem));
  const kernel = ourKernel(threads);
  const heads = (run: () => Promise<Float32Array>) => async () => merge(await run(), N, 12, 64);
  return {
    title: `attention forward · B1 H12 L${N} D64${causal ? " causal" : ""} f32 · ${(flopOf(call) / 1e9).toFixed(2)} GFLOP`,
    flop: flopOf(call),
    threads,
    exact: exactRows(call),
    entries: [
      { name: `qkv ${kernel.name}`, open: () => inScope(kernel, onOwned(N, causal, threads)) },
      {
        name: "PyTorch",
        open: () =>
          pytorch(
            { prepare: "attention", threads, shape: [12, N, N, 64], causal },
            [call.q, call.k, call.v].map(({ tensor }) => tensor.data),
          ),
      },
      {
        name: "onnxruntime-node MHA",
        open: async () => heads(await onnx("node", "MultiHeadAttention", call, causal, threads)),
      },
      { name: "onnxruntime-node Attention", open: () => onnx("node", "Attention", call, causal, threads) },
      {
        name: "onnxruntime-web MHA",
        open: async () => heads(await onnx("web", "MultiHeadAttention", call, causal, threads)),
      },
      { name: "onnxruntime-web Attention", open: () => onnx("web", "Attention", call, causal, threads) },
      ...(N <= SLOW_PEERS_UP_TO && threads === 1
        ? [
            { name: "jax-js", open: async () => heads(await jaxjs(call, causal)) },
            { name: "tfjs-wasm", open: () => tfjs(call, causal) },
            { name: "plain TypeScript loops", open: () => () => loops(call) },
          ]
        : []),
    ],
  };
}

function onOwned(N: number, causal: boolean, threads: number): () => { data: Float32Array } {
  const kernel = ourKernel(threads);
  const call = ownedCall(kernel, { heads: 12, queries: N, keys: N, headDim: 64, causal });
  return () => kernel.attention(call).output;
}

export const cases = (threads: number): (() => Case)[] =>
  [512, 1024, 2048, 4096].flatMap((N) => [false, true].map((causal) => () => one(N, causal, threads)));
