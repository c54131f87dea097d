/** @file One thread beside two: our kernel alone, both counts in one table. The ratio of the second line is the gain. */
import { flopOf, numbers, owned } from "../src/kernels/problems.js";
import { inScope, ourKernel, ownedCall } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

type Pool = ReturnType<typeof ourKernel> & { threads: number };

function one(title: string, flop: number, threads: number, make: (kernel: Pool) => () => { data: Float32Array }): Case {
  const kernel = ourKernel(threads) as Pool;
  const run = inScope(kernel, make(kernel));
  const entry = (count: number): Case["entries"][number] => ({
    name: `qkv ${kernel.name}, ${count} thread${count > 1 ? "s" : ""}`,
    open: () => () => {
      kernel.threads = count;
      return run();
    },
  });
  return { title: `threads · ${title}`, flop, threads, entries: [entry(threads), entry(1)] };
}

function attention(N: number, causal: boolean, backward: boolean, threads: number): Case {
  const problem = { heads: 12, queries: N, keys: N, headDim: 64, causal };
  const kernel = ourKernel(threads);
  const call = ownedCall(kernel, problem);
  const flop = flopOf(call) * (backward ? 2.5 : 1);
  const title = `attention ${backward ? "backward" : "forward"} · B1 H12 L${N} D64${causal ? " causal" : ""} f32`;
  return one(title, flop, threads, () => {
    if (!backward) return () => kernel.attention(call).output as { data: Float32Array };
    const { output, lse } = kernel.attention(call);
    const saved = { output: owned(kernel, output), lse: owned(kernel, lse) };
    const slope = owned(kernel, numbers(output.shape, 4));
    return () => kernel.attentionBackward(call, saved, slope).dq as { data: Float32Array };
  });
}

function product(M: number, K: number, N: number, threads: number): Case {
  return one(`product · ${M}×${K}×${N} f32`, 2 * M * K * N, threads, (kernel) => {
    const [x, packed] = [owned(kernel, numbers([M, K], 1)), kernel.pack(numbers([N, K], 2))];
    return () => kernel.linear(x, packed) as { data: Float32Array };
  });
}

/** Asked once, of two threads and more. */
export function cases(threads: number): (() => Case)[] {
  if (threads === 1) return [];
  return [
    () => attention(128, false, false, threads),
    () => attention(1024, false, false, threads),
    () => attention(1024, true, false, threads),
    () => attention(1024, true, true, threads),
    () => product(512, 768, 3072, threads),
    () => product(128, 384, 1536, threads),
  ];
}
