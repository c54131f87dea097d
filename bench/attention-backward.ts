/** @file Attention backward: the same shapes. No JavaScript peer has a fused one; PyTorch has, and our own forward pass stands beside. */
import { flopOf, numbers, operands, owned } from "../src/kernels/problems.js";
import { pytorch } from "./peers/pytorch.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(N: number, causal: boolean, threads: number): Case {
  const kernel = ourKernel(threads);
  const problem = { heads: 12, queries: N, keys: N, headDim: 64, causal };
  const call = ownedCall(kernel, problem);
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
      {
        name: "PyTorch, backward",
        open: () =>
          pytorch(
            { prepare: "backward", threads, shape: [12, N, N, 64], causal },
            [...operands(problem), numbers(output.shape, 4)].map((x) => x.data),
          ),
      },
      {
        name: `qkv ${kernel.name}, forward`,
        flop: flopOf(call),
        open: () => inScope(kernel, () => kernel.attention(call).output),
      },
    ],
  };
}

export const cases = (threads: number, quick: boolean): (() => Case)[] =>
  (quick ? [512, 2048] : [512, 1024, 2048]).flatMap((N) =>
    [false, true].map((causal) => () => one(N, causal, threads)),
  );
