/** @file What runs in the browser, in a worker as a page would have it: our kernel and onnxruntime-web take turns. */
import * as onnxruntimeWeb from "onnxruntime-web";
import { defaultKernel } from "../../src/kernels/index.js";
import { attentionCallOf, flopOf, numbers, operands, owned } from "../../src/kernels/problems.js";
import { attentionRunner, merge, productRunner, type Runtime } from "../peers/onnxruntime.js";
import { exactRows } from "./exact.js";
import { inScope, ownedCall } from "./ours.js";
import { type Answer, ask, type Case, type Conditions } from "./question.js";

export interface Asked {
  about: Conditions;
  seconds: number;
}

type Pool = ReturnType<typeof defaultKernel> & { threads: number; ready: number };
const web = onnxruntimeWeb as unknown as Runtime;

function attentionForward(N: number, causal: boolean, threads: number): Case {
  const problem = { heads: 12, queries: N, keys: N, headDim: 64, causal };
  const call = attentionCallOf(problem, operands(problem));
  const kernel = defaultKernel() as Pool;
  const own = ownedCall(kernel, problem);
  return {
    title: `attention forward · B1 H12 L${N} D64${causal ? " causal" : ""} f32`,
    flop: flopOf(call),
    threads,
    exact: exactRows(call),
    entries: [
      { name: `qkv ${kernel.name}`, open: () => inScope(kernel, () => kernel.attention(own).output) },
      {
        name: "onnxruntime-web MHA",
        open: async () => {
          const run = await attentionRunner(web, "MultiHeadAttention", call, causal, threads);
          return async () => merge(await run(), N, 12, 64);
        },
      },
      { name: "onnxruntime-web Attention", open: () => attentionRunner(web, "Attention", call, causal, threads) },
    ],
  };
}

function product(M: number, K: number, N: number, threads: number): Case {
  const kernel = defaultKernel() as Pool;
  const [a, w] = [numbers([M, K], 1), numbers([N, K], 2)];
  const turned = new Float32Array(K * N);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) turned[k * N + n] = w.data[n * K + k]!;
  const [x, packed] = [owned(kernel, a), kernel.pack(w)];
  return {
    title: `product · ${M}×${K}×${N} f32, weight packed beforehand`,
    flop: 2 * M * K * N,
    threads,
    entries: [
      { name: `qkv ${kernel.name}`, open: () => inScope(kernel, () => kernel.linear(x, packed)) },
      { name: "onnxruntime-web", open: () => productRunner(web, a.data, turned, [M, K, N], threads) },
    ],
  };
}

/** Threads start while the worker's own loop turns: the first products wake them, a pause lets them come. */
async function ready(kernel: Pool, threads: number): Promise<void> {
  kernel.threads = threads;
  const problem = { heads: 4, queries: 150, keys: 150, headDim: 40, causal: true };
  for (let n = 0; n < 100 && (n === 0 || kernel.ready < threads); n++) {
    kernel.attention(attentionCallOf(problem, operands(problem)));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (kernel.ready < threads) throw new Error(`${kernel.ready} of ${threads} threads came`);
}

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  try {
    const { threads } = data.about;
    await ready(defaultKernel() as Pool, threads);
    const cases = [
      ...[512, 1024, 2048].flatMap((N) => [false, true].map((causal) => () => attentionForward(N, causal, threads))),
      () => product(512, 768, 3072, threads),
      () => product(128, 384, 1536, threads),
    ];
    const answers: Answer[] = [];
    for (const make of cases) answers.push(await ask("in Chromium", make(), data.seconds, data.about));
    self.postMessage({ answers });
  } catch (error) {
    self.postMessage({ failed: String((error as Error).stack ?? error) });
  }
};
