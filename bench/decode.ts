/** @file A decoding step: one query against 2,048 keys, 12 heads of 64. Memory speed, not arithmetic. */
import { attentionCallOf, flopOf, operands } from "../src/kernels/problems.js";
import { loops } from "./peers/loops.js";
import { attentionRunner as onnx } from "./peers/onnxruntime.js";
import { pytorch } from "./peers/pytorch.js";
import { exactRows } from "./shared/exact.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(threads: number): Case {
  const problem = { heads: 12, queries: 1, keys: 2048, headDim: 64, causal: false };
  const call = attentionCallOf(problem, operands(problem));
  const kernel = ourKernel(threads);
  const own = ownedCall(kernel, problem);
  return {
    title: "decoding step · one query, 2048 keys · H12 D64 f32",
    flop: flopOf(call),
    threads,
    exact: exactRows(call),
    entries: [
      { name: `qkv ${kernel.name}`, open: () => inScope(kernel, () => kernel.attention(own).output) },
      {
        name: "PyTorch",
        open: () =>
          pytorch(
            { prepare: "attention", threads, shape: [12, 1, 2048, 64], causal: false },
            [call.q, call.k, call.v].map(({ tensor }) => tensor.data),
          ),
      },
      { name: "onnxruntime-node Attention", open: () => onnx("node", "Attention", call, false, threads) },
      { name: "onnxruntime-web Attention", open: () => onnx("web", "Attention", call, false, threads) },
      { name: "plain TypeScript loops", open: () => () => loops(call) },
    ],
    options: { leastRounds: 30 },
  };
}

export const cases = (threads: number): (() => Case)[] => [() => one(threads)];
