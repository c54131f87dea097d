/** @file Products with a weight known beforehand, as linear layers have; and one row of it, as decoding has. */
import { productRunner as jaxjs } from "./peers/jaxjs.js";
import { productLoops } from "./peers/loops.js";
import { pytorch } from "./peers/pytorch.js";
import { productRunner as tfjs } from "./peers/tfjs.js";
import { onnxProduct, product, type Sizes } from "./shared/cases.js";
import { ourKernel } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(sizes: Sizes, threads: number): Case {
  const [M, K, N] = sizes;
  const formats = M === 1 ? (["f32", "bf16", "int8"] as const) : (["f32"] as const);
  return product(ourKernel(threads), sizes, threads, formats, (given) => {
    const { a, weight, turned } = given;
    return [
      { name: "PyTorch", open: () => pytorch({ prepare: "linear", threads, shape: sizes }, [a, weight]) },
      ...onnxProduct("onnxruntime-node", "node", given, sizes, threads),
      ...onnxProduct("onnxruntime-web", "web", given, sizes, threads),
      ...(threads === 1
        ? [
            { name: "jax-js", open: () => jaxjs(a, turned, sizes) },
            { name: "tfjs-wasm", open: () => tfjs(a, turned, sizes) },
          ]
        : []),
      ...(M <= 128 && threads === 1
        ? [{ name: "plain TypeScript loops", open: () => () => productLoops(a, weight, M, K, N) }]
        : []),
    ];
  });
}

export const cases = (threads: number): (() => Case)[] =>
  ([[512, 768, 3072], [128, 384, 1536], [1, 768, 3072]] as const).map((sizes) => () => one(sizes, threads)); // biome-ignore format: sizes
