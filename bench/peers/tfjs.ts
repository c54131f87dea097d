/** @file TensorFlow.js on its WebAssembly backend; one thread in Node. Installed by `npm install --prefix bench`. */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { AttentionCall } from "../../src/kernels/index.js";

const require = createRequire(new URL("../package.json", import.meta.url));

interface TfTensor {
  mul(x: number): TfTensor;
  add(x: TfTensor): TfTensor;
  dataSync(): Float32Array;
  dispose(): void;
}
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array, shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  softmax(x: TfTensor): TfTensor;
  tidy(body: () => TfTensor): TfTensor;
}

async function open(): Promise<Tf> {
  const tf = require("@tensorflow/tfjs") as Tf;
  const backend = require("@tensorflow/tfjs-backend-wasm") as { setWasmPaths(path: string): void };
  backend.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))}/dist/`);
  await tf.setBackend("wasm");
  await tf.ready();
  return tf;
}

function read(x: TfTensor): Float32Array {
  const data = x.dataSync();
  x.dispose();
  return data;
}

export async function attentionRunner(call: AttentionCall, causal: boolean): Promise<() => Float32Array> {
  const tf = await open();
  const { heads: H, queries: Lq, keys: Lk, headDim: D, scale } = call;
  const [q, k, v] = [call.q, call.k, call.v].map((x, n) =>
    tf.tensor(Float32Array.from(x.tensor.data), [H, n === 0 ? Lq : Lk, D]),
  ) as [TfTensor, TfTensor, TfTensor];
  const hidden = Float32Array.from({ length: Lq * Lk }, (_, n) => (n % Lk > Math.floor(n / Lk) + Lk - Lq ? -1e30 : 0));
  const mask = causal ? tf.tensor(hidden, [1, Lq, Lk]) : undefined;
  return () =>
    read(
      tf.tidy(() => {
        const scores = tf.matMul(q, k, false, true).mul(scale);
        return tf.matMul(tf.softmax(mask ? scores.add(mask) : scores), v);
      }),
    );
}

export async function productRunner(
  a: Float32Array,
  w: Float32Array,
  [M, K, N]: readonly [number, number, number],
): Promise<() => Float32Array> {
  const tf = await open();
  const [x, y] = [tf.tensor(Float32Array.from(a), [M, K]), tf.tensor(Float32Array.from(w), [K, N])];
  return () => read(tf.tidy(() => tf.matMul(x, y)));
}
