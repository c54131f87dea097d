/** @file Sliding window of 256 over 8,192 tokens: linear in the length, beside the full causal pass over a fourth of it. */
import { flopOf } from "../src/kernels/problems.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(threads: number): Case {
  const kernel = ourKernel(threads);
  const base = { heads: 12, headDim: 64, causal: true };
  const window = ownedCall(kernel, { ...base, queries: 8192, keys: 8192, window: 256 });
  const full = ownedCall(kernel, { ...base, queries: 2048, keys: 2048 });
  return {
    title: "sliding window 256 · B1 H12 L8192 D64 f32",
    flop: flopOf(window),
    threads,
    entries: [
      { name: `qkv ${kernel.name}, window`, open: () => inScope(kernel, () => kernel.attention(window).output) },
      { name: `qkv ${kernel.name}, L2048 causal`, open: () => inScope(kernel, () => kernel.attention(full).output) },
    ],
  };
}

export const cases = (threads: number): (() => Case)[] => [() => one(threads)];
