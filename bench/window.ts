/**
 * @file Sliding window of 256 over 8,192 and 65,536 tokens: linear in the length. PyTorch has no operator for it: beside it
 * stand the forms its users write: a mask over the whole square (at 8,192 only), blocks of queries over two blocks of keys, and
 * flex_attention compiled (wants a C++ compiler; half a minute each before the first turn).
 */
import { flopOf, operands } from "../src/kernels/problems.js";
import { pytorch } from "./peers/pytorch.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

const WINDOW = 256;
/** The mask of the whole square would take 4 GB beyond this, and half a minute a run. */
const SQUARE_UP_TO = 8192;

function one(N: number, threads: number): Case {
  const kernel = ourKernel(threads);
  const base = { heads: 12, headDim: 64, causal: true };
  const problem = { ...base, queries: N, keys: N, window: WINDOW };
  const window = ownedCall(kernel, problem);
  const peer = (form: "mask" | "blocks" | "flex") => () =>
    pytorch(
      { prepare: "window", threads, shape: [12, N, N, 64], window: WINDOW, form },
      operands(problem).map((x) => x.data),
    );
  return {
    title: `sliding window 256 · B1 H12 L${N} D64 f32`,
    flop: flopOf(window),
    threads,
    entries: [
      { name: `qkv ${kernel.name}, window`, open: () => inScope(kernel, () => kernel.attention(window).output) },
      { name: "PyTorch, blocks over two blocks", open: peer("blocks") },
      { name: "PyTorch, flex_attention compiled", open: peer("flex") },
      ...(N <= SQUARE_UP_TO ? [{ name: "PyTorch, mask over the square", open: peer("mask") }] : []),
    ],
    options: { leastRounds: 3 },
  };
}

export const cases = (threads: number): (() => Case)[] => [8192, 65_536].map((N) => () => one(N, threads));
