/** @file Our kernel under test: the fastest this engine runs, its operands in its own memory, as a model holds them. */
import { type AttentionCall, defaultKernel, type Kernel, kernelAvailable, useKernel } from "../../src/kernels/index.js";
import { type AttentionProblem, attentionCallOf, operands, owned } from "../../src/kernels/problems.js";

export function ourKernel(threads: number): Kernel {
  const wide = !process.env["QKV_KERNEL"] && kernelAvailable("wide").available;
  const kernel = wide ? useKernel("wide") : defaultKernel();
  (kernel as { threads?: number }).threads = threads;
  return kernel;
}

export function ownedCall(kernel: Kernel, problem: AttentionProblem): AttentionCall {
  const [q, k, v] = operands(problem).map((x) => owned(kernel, x)) as [never, never, never];
  return attentionCallOf(problem, [q, k, v]);
}

/** The numbers of the last of many runs: results live in a scope, so they are looked at inside it. */
export function inScope(kernel: Kernel, run: () => { data: Float32Array }): () => ArrayLike<number> {
  let held: Float32Array | undefined;
  return () => {
    kernel.scope(() => {
      const { data } = run();
      held ??= data.slice(); // the first result; later ones are the same bits
    });
    return held!;
  };
}
