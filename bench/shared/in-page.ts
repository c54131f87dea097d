/** @file What runs in the browser, in a worker as a page would have it: our kernel and onnxruntime-web take turns. */
import * as onnxruntimeWeb from "onnxruntime-web";
import { defaultKernel } from "../../src/kernels/index.js";
import { attentionCallOf, operands } from "../../src/kernels/problems.js";
import type { Runtime } from "../peers/onnxruntime.js";
import { attentionForward, onnxAttention, onnxProduct, product, type Sizes } from "./cases.js";
import { type Answer, ask, type Case, type Conditions } from "./question.js";

export interface Asked {
  about: Conditions;
  seconds: number;
}

type Pool = ReturnType<typeof defaultKernel> & { threads: number; ready: number };
const web = onnxruntimeWeb as unknown as Runtime;

function forward(queries: number, keys: number, causal: boolean, threads: number): Case {
  const problem = { heads: 12, queries, keys, headDim: 64, causal };
  return attentionForward(defaultKernel(), problem, threads, (call) =>
    onnxAttention("onnxruntime-web", web, call, causal, threads),
  );
}

function linear(sizes: Sizes, threads: number): Case {
  return product(defaultKernel(), sizes, threads, ["f32"], (given) =>
    onnxProduct("onnxruntime-web", web, given, sizes, threads),
  );
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
      ...[512, 1024, 2048].flatMap((N) => [false, true].map((causal) => () => forward(N, N, causal, threads))),
      () => forward(1, 2048, false, threads),
      ...([[512, 768, 3072], [128, 384, 1536]] as const).map((sizes) => () => linear(sizes, threads)), // biome-ignore format: sizes
    ];
    const answers: Answer[] = [];
    for (const make of cases) answers.push(await ask("in Chromium", make(), data.seconds, data.about));
    self.postMessage({ answers });
  } catch (error) {
    self.postMessage({ failed: String((error as Error).stack ?? error) });
  }
};
