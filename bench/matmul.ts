/** @file Products with a weight known beforehand, as linear layers have; and one row of it, as decoding has. */
import { numbers, owned } from "../src/kernels/problems.js";
import { tensor } from "../src/tensor/index.js";
import { productRunner as jaxjs } from "./peers/jaxjs.js";
import { productLoops } from "./peers/loops.js";
import { productRunner as onnx } from "./peers/onnxruntime.js";
import { pytorch } from "./peers/pytorch.js";
import { productRunner as tfjs } from "./peers/tfjs.js";
import { inScope, ourKernel } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(M: number, K: number, N: number, threads: number): Case {
  const kernel = ourKernel(threads);
  const [a, w] = [numbers([M, K], 1), numbers([N, K], 2)];
  const turned = new Float32Array(K * N); // [K, N], as ONNX and TensorFlow hold it
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) turned[k * N + n] = w.data[n * K + k]!;
  const exact = new Map<number, number>();
  for (const m of new Set([0, M - 1])) {
    for (let n = 0; n < N; n += 97) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a.data[m * K + k]! * w.data[n * K + k]!;
      exact.set(m * N + n, sum);
    }
  }
  const sizes = [M, K, N] as const;
  const ours = (format: "f32" | "bf16" | "int8") => () => {
    const [x, packed] = [owned(kernel, a), kernel.pack(tensor(w.data, w.shape), format)];
    return inScope(kernel, () => kernel.linear(x, packed));
  };
  return {
    title: `product · ${M}×${K}×${N} f32, weight packed beforehand`,
    flop: 2 * M * K * N,
    threads,
    exact,
    entries: [
      { name: `qkv ${kernel.name}`, open: ours("f32") },
      ...(M === 1
        ? [
            { name: `qkv ${kernel.name}, bf16 weight`, open: ours("bf16") },
            { name: `qkv ${kernel.name}, int8 weight`, open: ours("int8") },
          ]
        : []),
      { name: "PyTorch", open: () => pytorch({ prepare: "linear", threads, shape: sizes }, [a.data, w.data]) },
      { name: "onnxruntime-node", open: () => onnx("node", a.data, turned, sizes, threads) },
      { name: "onnxruntime-web", open: () => onnx("web", a.data, turned, sizes, threads) },
      { name: "jax-js", open: () => jaxjs(a.data, turned, sizes) },
      { name: "tfjs-wasm", open: () => tfjs(a.data, turned, sizes) },
      ...(M <= 128
        ? [{ name: "plain TypeScript loops", open: () => () => productLoops(a.data, w.data, M, K, N) }]
        : []),
    ],
  };
}

export const cases = (threads: number): (() => Case)[] =>
  ([[512, 768, 3072], [128, 384, 1536], [1, 768, 3072]] as const).map(([M, K, N]) => () => one(M, K, N, threads)); // biome-ignore format: sizes
