/** @file A decoding step: one query against 2,048 keys, 12 heads of 64. Memory speed, not arithmetic. */
import { loops } from "./peers/loops.js";
import { pytorch } from "./peers/pytorch.js";
import { attentionForward, onnxAttention } from "./shared/cases.js";
import { ourKernel } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(threads: number): Case {
  const problem = { heads: 12, queries: 1, keys: 2048, headDim: 64, causal: false };
  return attentionForward(ourKernel(threads), problem, threads, (call) => [
    {
      name: "PyTorch",
      open: () =>
        pytorch(
          { prepare: "attention", threads, shape: [12, 1, 2048, 64], causal: false },
          [call.q, call.k, call.v].map(({ tensor }) => tensor.data as Float32Array),
        ),
    },
    ...onnxAttention("onnxruntime-node", "node", call, false, threads),
    ...onnxAttention("onnxruntime-web", "web", call, false, threads),
    ...(threads === 1 ? [{ name: "plain TypeScript loops", open: () => () => loops(call) }] : []),
  ]);
}

export const cases = (threads: number): (() => Case)[] => [() => one(threads)];
