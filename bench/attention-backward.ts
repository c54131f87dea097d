/** @file Attention backward: the same shapes; no JavaScript peer has a fused one, so it stands beside our own forward pass. */
import { flopOf, numbers, owned } from "../src/kernels/problems.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(N: number, causal: boolean, threads: number): Case {
  const kernel = ourKernel(threads);
  const call = ownedCall(kernel, { heads: 12, queries: N, keys: N, headDim: 64, causal });
  const { output, lse } = kernel.attention(call);
  const saved = { output: owned(kernel, output), lse: owned(kernel, lse) };
  const slope = owned(kernel, numbers(output.shape, 4));
  return {
    title: `attention backward · B1 H12 L${N} D64${causal ? " causal" : ""} f32 · ${((2.5 * flopOf(call)) / 1e9).toFixed(2)} GFLOP`,
    flop: 2.5 * flopOf(call),
    threads,
    entries: [
      {
        name: `qkv ${kernel.name}, backward`,
        open: () => inScope(kernel, () => kernel.attentionBackward(call, saved, slope).dq),
      },
      { name: `qkv ${kernel.name}, forward`, open: () => inScope(kernel, () => kernel.attention(call).output) },
    ],
  };
}

export const cases = (threads: number): (() => Case)[] =>
  [512, 1024].flatMap((N) => [false, true].map((causal) => () => one(N, causal, threads)));
