/** @file jax-js on its WebAssembly backend; one thread in Node. Installed by `npm install --prefix bench`. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { AttentionCall } from "../../src/kernels/index.js";
import { merge } from "./onnxruntime.js";

interface Value {
  readonly ref: Value;
  reshape(shape: readonly number[]): Value;
  blockUntilReady(): Promise<unknown>;
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Jax {
  init(device: "wasm"): Promise<unknown>;
  defaultDevice(device: "wasm"): void;
  jit<F>(f: F): F;
  numpy: { array(data: Float32Array): Value; matmul(a: Value, b: Value): Value };
  nn: { dotProductAttention(q: Value, k: Value, v: Value, options: { isCausal: boolean }): Value };
}

async function open(): Promise<Jax> {
  if (Number.parseInt(process.versions.node, 10) < 22) throw new Error("jax-js needs Node 22 or newer");
  const require = createRequire(new URL("../package.json", import.meta.url));
  const jax = (await import(pathToFileURL(require.resolve("@jax-js/jax")).href)) as Jax;
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  return jax;
}

/** @returns numbers as [L, H·D]: jax-js wants lengths before heads */
export async function attentionRunner(call: AttentionCall, causal: boolean): Promise<() => Promise<Float32Array>> {
  const jax = await open();
  const { heads: H, queries: Lq, keys: Lk, headDim: D } = call;
  const value = (data: Float32Array, L: number): Value => jax.numpy.array(merge(data, H, L, D)).reshape([1, L, H, D]);
  const [q, k, v] = [
    value(call.q.tensor.data, Lq),
    value(call.k.tensor.data, Lk),
    value(call.v.tensor.data, Lk),
  ] as const;
  const attend = jax.jit((a: Value, b: Value, c: Value) => jax.nn.dotProductAttention(a, b, c, { isCausal: causal }));
  return async () => attend(q.ref, k.ref, v.ref).data();
}

export async function productRunner(
  a: Float32Array,
  w: Float32Array,
  [M, K, N]: readonly [number, number, number],
): Promise<() => Promise<Float32Array>> {
  const jax = await open();
  const [left, right] = [jax.numpy.array(a).reshape([M, K]), jax.numpy.array(w).reshape([K, N])];
  const multiply = jax.jit((x: Value, y: Value) => jax.numpy.matmul(x, y));
  return async () => multiply(left.ref, right.ref).data();
}
