/** @file jax-js in a Node process of its own: jaxjs.mjs. Installed by `npm install --prefix bench`. */
import { fileURLToPath } from "node:url";
import type { AttentionCall } from "../../src/kernels/index.js";
import { merge } from "./onnxruntime.js";
import { PeerProcess } from "./process.js";
import type { Timed } from "../shared/question.js";

/** jax-js needs this Node; an older one lets it run in that version, from the npm package `node`. */
const OLDEST = 22;

let peer: PeerProcess | undefined;

async function jaxjs(ask: Record<string, unknown>, files: readonly Float32Array[]): Promise<Timed> {
  const old = Number.parseInt(process.versions.node, 10) < OLDEST;
  peer ??= new PeerProcess({
    name: "jax-js",
    command: old ? "npx" : process.execPath,
    args: [...(old ? ["-y", `node@${OLDEST}`] : []), fileURLToPath(new URL("jaxjs.mjs", import.meta.url))],
    absent: "its process ended (npm install --prefix bench)",
  });
  return peer.prepare(ask, files);
}

export async function attentionRunner(call: AttentionCall, causal: boolean): Promise<Timed> {
  const { heads: H, queries: Lq, keys: Lk, headDim: D } = call;
  const files = [call.q, call.k, call.v].map(({ tensor }, n) =>
    merge(tensor.data as Float32Array, H, n === 0 ? Lq : Lk, D),
  );
  const { turn, result } = await jaxjs({ prepare: "attention", shape: [H, Lq, Lk, D], causal }, files);
  return { turn, result: async () => merge((await result()) as Float32Array, Lq, H, D) };
}

export function productRunner(
  a: Float32Array,
  w: Float32Array,
  shape: readonly [number, number, number],
): Promise<Timed> {
  return jaxjs({ prepare: "product", shape }, [a, w]);
}
