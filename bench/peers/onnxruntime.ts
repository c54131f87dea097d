/** @file onnxruntime, native (node) and WebAssembly (web): attention as its fused operator, products with a constant weight. */
import type { AttentionCall } from "../../src/kernels/index.js";
import { oneNodeModel } from "../shared/onnx.js";

interface Session {
  run(feeds: Record<string, unknown>): Promise<Record<string, { data: Float32Array }>>;
}
export interface Runtime {
  env: { wasm: { numThreads?: number } };
  Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => unknown;
  InferenceSession: { create(bytes: Uint8Array, options: object): Promise<Session> };
}

/** By name, or onnxruntime-web as a page has loaded it. */
export type Kind = "node" | "web" | Runtime;

async function open(kind: Kind, threads: number): Promise<{ runtime: Runtime; options: object }> {
  const named = kind === "web" ? "onnxruntime-web" : "onnxruntime-node";
  const runtime = typeof kind === "object" ? kind : ((await import(/* @vite-ignore */ named)) as unknown as Runtime);
  if (kind !== "node") {
    runtime.env.wasm.numThreads = threads;
    return { runtime, options: { executionProviders: ["wasm"], graphOptimizationLevel: "all" } };
  }
  return { runtime, options: { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: "all" } };
}

/** The standard's `Attention` (opset 23) on [1, H, L, D], or `MultiHeadAttention` on merged heads; causal if asked. */
export async function attentionRunner(
  kind: Kind,
  op: "Attention" | "MultiHeadAttention",
  call: AttentionCall,
  causal: boolean,
  threads: number,
): Promise<() => Promise<Float32Array>> {
  const { runtime, options } = await open(kind, threads);
  const { heads: H, queries: Lq, keys: Lk, headDim: D } = call;
  const fused = op === "MultiHeadAttention";
  const shape = (L: number): number[] => (fused ? [1, L, H * D] : [1, H, L, D]);
  const bytes = oneNodeModel({
    op,
    ...(fused && { domain: "com.microsoft" }),
    integers: fused ? { num_heads: H, unidirectional: causal ? 1 : 0 } : { is_causal: causal ? 1 : 0 },
    inputs: { q: shape(Lq), k: shape(Lk), v: shape(Lk) },
    outputs: { o: shape(Lq) },
  });
  const session = await runtime.InferenceSession.create(bytes, options);
  const lay = (data: Float32Array, L: number): Float32Array => (fused ? merge(data, H, L, D) : Float32Array.from(data));
  const feeds = {
    q: new runtime.Tensor("float32", lay(call.q.tensor.data, Lq), shape(Lq)),
    k: new runtime.Tensor("float32", lay(call.k.tensor.data, Lk), shape(Lk)),
    v: new runtime.Tensor("float32", lay(call.v.tensor.data, Lk), shape(Lk)),
  };
  return async () => {
    const { data } = (await session.run(feeds))["o"]!;
    return data;
  };
}

/** [H, L, D] → [L, H·D], and back with L and H swapped. */
export function merge(data: Float32Array, H: number, L: number, D: number): Float32Array {
  const out = new Float32Array(H * L * D);
  for (let h = 0; h < H; h++) {
    for (let i = 0; i < L; i++) out.set(data.subarray((h * L + i) * D, (h * L + i + 1) * D), (i * H + h) * D);
  }
  return out;
}

/** a [M, K] times a constant w [K, N]. */
export async function productRunner(
  kind: Kind,
  a: Float32Array,
  w: Float32Array,
  [M, K, N]: readonly [number, number, number],
  threads: number,
): Promise<() => Promise<Float32Array>> {
  const { runtime, options } = await open(kind, threads);
  const bytes = oneNodeModel({
    op: "MatMul",
    inputs: { a: [M, K] },
    constant: { name: "w", shape: [K, N], data: w },
    outputs: { o: [M, N] },
  });
  const session = await runtime.InferenceSession.create(bytes, options);
  const feeds = { a: new runtime.Tensor("float32", Float32Array.from(a), [M, K]) };
  return async () => (await session.run(feeds))["o"]!.data;
}
