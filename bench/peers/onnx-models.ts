/** @file Whole models in onnxruntime, native (node) and WebAssembly (web), and in transformers.js. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type Kind = "node" | "web";
interface Value {
  data: Float32Array;
  dims: readonly number[];
}
interface Session {
  inputNames: readonly string[];
  run(feeds: Record<string, unknown>, fetches?: readonly string[]): Promise<Record<string, Value>>;
}
interface Runtime {
  env: { wasm: { numThreads?: number } };
  Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => unknown;
  InferenceSession: { create(file: string | Uint8Array, options: object): Promise<Session> };
}

async function open(kind: Kind, folder: string, threads: number): Promise<{ runtime: Runtime; session: Session }> {
  const file = join(folder, "onnx/model.onnx");
  const runtime = (await import(kind === "web" ? "onnxruntime-web" : "onnxruntime-node")) as unknown as Runtime;
  if (kind === "web") runtime.env.wasm.numThreads = threads;
  const options =
    kind === "web"
      ? { executionProviders: ["wasm"], graphOptimizationLevel: "all" }
      : { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: "all" };
  return {
    runtime,
    session: await runtime.InferenceSession.create(kind === "web" ? readFileSync(file) : file, options),
  };
}

const wide = (ids: readonly number[]): BigInt64Array => BigInt64Array.from(ids, BigInt);

/** Texts of ids, all of one length → the last hidden state. */
export async function encoder(
  kind: Kind,
  folder: string,
  texts: number[][],
  threads: number,
): Promise<() => Promise<Float32Array>> {
  const { runtime, session } = await open(kind, folder, threads);
  const dims = [texts.length, texts[0]!.length];
  const flat = texts.flat();
  const feeds = {
    input_ids: new runtime.Tensor("int64", wide(flat), dims),
    attention_mask: new runtime.Tensor("int64", wide(flat.map(() => 1)), dims),
    token_type_ids: new runtime.Tensor("int64", wide(flat.map(() => 0)), dims),
  };
  return async () => (await session.run(feeds))["last_hidden_state"]!.data;
}

/** Greedy decoding over a cache: what one run of `steps` tokens took, the prompt apart, and the tokens. */
export async function decoder(
  kind: Kind,
  folder: string,
  prompt: readonly number[],
  steps: number,
  threads: number,
): Promise<() => Promise<{ ms: number; ids: number[] }>> {
  const { runtime, session } = await open(kind, folder, threads);
  const { num_key_value_heads: heads, head_dim: width } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const cached = session.inputNames.filter((name) => name.startsWith("past_key_values."));
  return async () => {
    let past: Record<string, unknown> = Object.fromEntries(
      cached.map((name) => [name, new runtime.Tensor("float32", new Float32Array(0), [1, heads, 0, width])]),
    );
    let length = 0;
    const read = async (ids: readonly number[]): Promise<number> => {
      const positions = ids.map((_, i) => length + i);
      length += ids.length;
      const out = await session.run({
        ...past,
        input_ids: new runtime.Tensor("int64", wide(ids), [1, ids.length]),
        attention_mask: new runtime.Tensor("int64", new BigInt64Array(length).fill(1n), [1, length]),
        position_ids: new runtime.Tensor("int64", wide(positions), [1, ids.length]),
      });
      past = Object.fromEntries(cached.map((name) => [name, out[name.replace("past_key_values", "present")]]));
      const { data, dims } = out["logits"]!;
      const row = data.subarray(data.length - dims[2]!);
      let best = 0;
      for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
      return best;
    };
    const ids = [await read(prompt)];
    const begin = performance.now();
    for (let n = 1; n < steps; n++) ids.push(await read([ids.at(-1)!]));
    return { ms: performance.now() - begin, ids };
  };
}

/** transformers.js on the same file; in Node it computes with onnxruntime-node. */
export async function transformersEncoder(
  folder: string,
  texts: number[][],
  threads: number,
): Promise<() => Promise<Float32Array>> {
  const { AutoModel, env, Tensor } = await import("@huggingface/transformers");
  env.localModelPath = dirname(folder);
  env.allowRemoteModels = false;
  const session_options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const model = await AutoModel.from_pretrained(basename(folder), { dtype: "fp32", session_options });
  const dims = [texts.length, texts[0]!.length];
  const flat = texts.flat();
  const inputs = {
    input_ids: new Tensor("int64", wide(flat), dims),
    attention_mask: new Tensor("int64", wide(flat.map(() => 1)), dims),
    token_type_ids: new Tensor("int64", wide(flat.map(() => 0)), dims),
  };
  return async () => (await model(inputs)).last_hidden_state.data as Float32Array;
}
