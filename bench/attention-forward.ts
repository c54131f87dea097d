/** @file Attention forward: 12 heads of 64 (32, 128), with and without the causal mask. */
import { attentionRunner as jaxjs } from "./peers/jaxjs.js";
import { loops } from "./peers/loops.js";
import { pytorch } from "./peers/pytorch.js";
import { attentionRunner as tfjs } from "./peers/tfjs.js";
import { attentionForward, onnxAttention } from "./shared/cases.js";
import { ourKernel } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

/** Above these lengths the slowest peers would take the whole budget. */
const SLOW_PEERS_UP_TO = 512;
const WEB_UP_TO = 2048;

function one(N: number, headDim: number, causal: boolean, threads: number): Case {
  const problem = { heads: 12, queries: N, keys: N, headDim, causal };
  return attentionForward(ourKernel(threads), problem, threads, (call) => [
    {
      name: "PyTorch",
      open: () =>
        pytorch(
          { prepare: "attention", threads, shape: [12, N, N, headDim], causal },
          [call.q, call.k, call.v].map(({ tensor }) => tensor.data as Float32Array),
        ),
    },
    ...onnxAttention("onnxruntime-node", "node", call, causal, threads),
    ...(N <= WEB_UP_TO && headDim === 64 ? onnxAttention("onnxruntime-web", "web", call, causal, threads) : []),
    ...(N <= SLOW_PEERS_UP_TO && threads === 1
      ? [
          { name: "jax-js", open: () => jaxjs(call, causal) },
          { name: "tfjs-wasm", open: () => tfjs(call, causal) },
          { name: "plain TypeScript loops", open: () => () => loops(call) },
        ]
      : []),
  ]);
}

export function cases(threads: number, quick: boolean): (() => Case)[] {
  const sizes = quick
    ? [[512, 64], [2048, 64]] as const
    : [[512, 64], [1024, 64], [2048, 64], [4096, 64], [1024, 32], [1024, 128]] as const; // biome-ignore format: a table
  return sizes.flatMap(([N, D]) => [false, true].map((causal) => () => one(N, D, causal, threads)));
}
