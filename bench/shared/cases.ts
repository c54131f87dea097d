/** @file The two questions that Node and a browser are both asked: attention forward, and a product with a known weight. */
import type { AttentionCall, Kernel } from "../../src/kernels/index.js";
import {
  type AttentionProblem,
  attentionCallOf,
  flopOf,
  numbers,
  operands,
  owned,
} from "../../src/kernels/problems.js";
import { attentionRunner, type Kind, merge, productRunner } from "../peers/onnxruntime.js";
import { exactRows } from "./exact.js";
import { inScope, ownedCall } from "./ours.js";
import type { Case } from "./question.js";

type Entries = Case["entries"];

export function attentionForward(
  kernel: Kernel,
  problem: AttentionProblem,
  threads: number,
  peers: (call: AttentionCall) => Entries,
): Case {
  const { heads, queries, keys, headDim, causal } = problem;
  const call = attentionCallOf(problem, operands(problem));
  const lengths = queries === keys ? `L${queries}` : `L${queries} of ${keys}`;
  return {
    title: `attention forward · B1 H${heads} ${lengths} D${headDim}${causal ? " causal" : ""} f32 · ${(flopOf(call) / 1e9).toFixed(2)} GFLOP`,
    flop: flopOf(call),
    threads,
    exact: exactRows(call),
    entries: [
      {
        name: `qkv ${kernel.name}`,
        open: () => {
          const own = ownedCall(kernel, problem);
          return inScope(kernel, () => kernel.attention(own).output);
        },
      },
      ...peers(call),
    ],
  };
}

/** onnxruntime's two forms of attention; its fused operator wants merged heads. */
export function onnxAttention(
  name: string,
  kind: Kind,
  call: AttentionCall,
  causal: boolean,
  threads: number,
): Entries {
  return [
    {
      name: `${name} MHA`,
      open: async () => {
        const run = await attentionRunner(kind, "MultiHeadAttention", call, causal, threads);
        return async () => merge(await run(), call.queries, call.heads, call.headDim);
      },
    },
    { name: `${name} Attention`, open: () => attentionRunner(kind, "Attention", call, causal, threads) },
  ];
}

export type Sizes = readonly [M: number, K: number, N: number];

/** Operands of a product: a [M, K], the weight [N, K], and the weight as ONNX and TensorFlow hold it, [K, N]. */
export interface ProductOperands {
  a: Float32Array;
  weight: Float32Array;
  turned: Float32Array;
}

/** @param formats of our weight; the first line is f32 */
export function product(
  kernel: Kernel,
  sizes: Sizes,
  threads: number,
  formats: readonly ("f32" | "bf16" | "int8")[],
  peers: (given: ProductOperands) => Entries,
): Case {
  const [M, K, N] = sizes;
  const [a, w] = [numbers([M, K], 1), numbers([N, K], 2)];
  const turned = new Float32Array(K * N);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) turned[k * N + n] = w.data[n * K + k]!;
  const exact = new Map<number, number>();
  for (const m of new Set([0, M - 1])) {
    for (let n = 0; n < N; n += 97) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a.data[m * K + k]! * w.data[n * K + k]!;
      exact.set(m * N + n, sum);
    }
  }
  return {
    title: `product · ${M}×${K}×${N} f32, weight packed beforehand`,
    flop: 2 * M * K * N,
    threads,
    exact,
    entries: [
      ...formats.map((format) => ({
        name: `qkv ${kernel.name}${format === "f32" ? "" : `, ${format} weight`}`,
        open: () => {
          const [x, packed] = [owned(kernel, a), kernel.pack(w, format)];
          return inScope(kernel, () => kernel.linear(x, packed));
        },
      })),
      ...peers({ a: a.data as Float32Array, weight: w.data as Float32Array, turned }),
    ],
  };
}

export function onnxProduct(
  name: string,
  kind: Kind,
  { a, turned }: ProductOperands,
  sizes: Sizes,
  threads: number,
): Entries {
  return [{ name, open: () => productRunner(kind, a, turned, sizes, threads) }];
}
