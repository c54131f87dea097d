/** @file What the browser test runs, on the page and in its worker: the default kernel beside the reference. */
import { defaultKernel, referenceKernel } from "../../src/kernels/index.js";
import { attentionCallOf, operands } from "../../src/kernels/problems.js";

export interface Report {
  name: string;
  isolated: boolean;
  error: number;
  ready: number;
  sameBits: boolean;
}

async function report(): Promise<Report> {
  const kernel = defaultKernel() as ReturnType<typeof defaultKernel> & { threads: number; ready: number };
  const problem = { heads: 4, queries: 150, keys: 150, headDim: 40, causal: true };
  const call = attentionCallOf(problem, operands(problem));
  kernel.threads = 1;
  const alone = kernel.attention(call).output.data.slice();
  const want = referenceKernel({ precision: "float64" }).attention(call).output.data;
  const error = alone.reduce((most, x, n) => Math.max(most, Math.abs(x - want[n]!)), 0);
  kernel.threads = 2;
  let together = kernel.attention(call).output.data;
  for (let n = 0; n < 100 && kernel.ready < 2; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    together = kernel.attention(call).output.data;
  }
  const sameBits = together.every((x, n) => x === alone[n]);
  return { name: kernel.name, isolated: globalThis.crossOriginIsolated, error, ready: kernel.ready, sameBits };
}

const failed = (error: unknown): { failed: string } => ({ failed: String((error as Error).stack ?? error) });
if (typeof document === "undefined") report().then(postMessage, (error) => postMessage(failed(error)));
else (globalThis as { report?: unknown }).report = () => report().catch(failed);
