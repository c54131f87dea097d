/** @file jax-js on its WebAssembly backend, one thread, as a program that process.ts asks: peers in one process patch each other's globals. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../package.json", import.meta.url));

async function open() {
  const jax = await import(pathToFileURL(require.resolve("@jax-js/jax")).href);
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  return jax;
}

const read = (path) => {
  const { buffer, byteOffset, length } = readFileSync(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + length));
};

const kinds = {
  /** q, k, v as [L, heads, headDim]: jax-js wants lengths before heads. */
  attention({ jit, numpy, nn }, { shape: [heads, queries, keys, headDim], causal, files }) {
    const [q, k, v] = files.map((f, n) => numpy.array(read(f)).reshape([1, n === 0 ? queries : keys, heads, headDim]));
    const attend = jit((a, b, c) => nn.dotProductAttention(a, b, c, { isCausal: causal }));
    return () => attend(q.ref, k.ref, v.ref).data();
  },
  product({ jit, numpy }, { shape: [M, K, N], files: [a, w] }) {
    const [left, right] = [numpy.array(read(a)).reshape([M, K]), numpy.array(read(w)).reshape([K, N])];
    const multiply = jit((x, y) => numpy.matmul(x, y));
    return () => multiply(left.ref, right.ref).data();
  },
};

async function timed(run) {
  const begin = performance.now();
  await run();
  return performance.now() - begin;
}

/** A call that is not counted, then counted ones; a long call counts itself. */
async function turn(run, { milliseconds, calls, warm }) {
  const first = await timed(run);
  if (first > warm) return [first];
  const times = [];
  for (let total = 0; times.length === 0 || (total < milliseconds && times.length < calls); total += times.at(-1)) {
    times.push(await timed(run));
  }
  return times;
}

const prepared = [];

async function answer(ask) {
  if (ask.prepare) {
    prepared.push(kinds[ask.prepare](await open(), ask));
    return { id: prepared.length - 1 };
  }
  if ("turn" in ask) return { times: await turn(prepared[ask.turn], ask) };
  const { buffer, byteOffset, byteLength } = await prepared[ask.result]();
  writeFileSync(ask.file, new Uint8Array(buffer, byteOffset, byteLength));
  return {};
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await answer(JSON.parse(line)).catch((error) => ({ error: String(error.message).split("\n")[0] }));
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
