/** @file Whether the 256-bit build may be trusted and pays here: version, self-test against the reference, a short race. */
import { type Tensor, tensor } from "../../tensor/index.js";
import type { AttentionCall, Kernel } from "../kernel.js";
import { contiguousHeads } from "../layout.js";
import { ReferenceKernel } from "../reference/reference-kernel.js";
import { WasmKernel } from "./wasm-kernel.js";

/**
 * Rounds of the race: the best of each side counts, so that a busy moment does not decide. It goes on while the wide build
 * is not clearly ahead: on a busy machine the optimising compiler may need its time.
 */
const ROUNDS = { least: 8, most: 80 };
const CLEARLY = 0.8;

let verdict: { available: boolean; why: string } | undefined;

interface V8 {
  setFlagsFromString(flag: string): void;
}

/** Turns V8's pass on, if this is Node 24 or newer; the reason when it is not. */
function switchOn(): string | undefined {
  const node = typeof process === "undefined" ? undefined : process.versions?.node;
  if (!node) return "a web page cannot set engine flags; the wide build is for Node 24 and newer";
  if (Number(node.split(".")[0]) < 24) return `Node ${node} has no working 256-bit pass; Node 24 and newer do`;
  const v8 = (process as unknown as { getBuiltinModule(name: string): V8 }).getBuiltinModule("node:v8");
  v8.setFlagsFromString("--experimental-wasm-revectorize");
  return undefined;
}

function numbers(shape: number[], seed: number): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: n }, (_, i) => Math.sin(seed + 1.37 * i)),
    shape,
  );
}

/** One head, tails in every direction, causal. */
function probe(): AttentionCall {
  const [L, D] = [101, 36];
  const [q, k, v] = [1, 2, 3].map((seed) => contiguousHeads(numbers([1, 1, L, D], seed))) as [never, never, never];
  const rule = { first: new Int32Array(L), end: Int32Array.from({ length: L }, (_, i) => i + 1), perBatch: false };
  const sizes = { batch: 1, heads: 1, keyHeads: 1, queries: L, keys: L, headDim: D, valueDim: D };
  return { ...sizes, q, k, v, rule, scale: 1 / Math.sqrt(D) };
}

function largestDifference(a: Tensor, b: Tensor): number {
  const other = b.data;
  return a.data.reduce((most, x, n) => Math.max(most, Math.abs(x - other[n]!)), 0); // NaN stays
}

/** Outputs are means of numbers in [−1, 1], products sums of 96 of them: 1e-5 is some 20 roundings, any real fault is larger. */
function agrees(kernel: Kernel): boolean {
  const reference = new ReferenceKernel("float32");
  const call = probe();
  const [a, b] = [numbers([50, 96], 4), numbers([70, 96], 5)];
  return (
    largestDifference(kernel.attention(call).output, reference.attention(call).output) < 1e-5 &&
    largestDifference(kernel.linear(a, b), reference.linear(a, b)) < 1e-4
  );
}

/** Best of a few milliseconds of one product each, taken in turns. */
function race(wide: Kernel, relaxed: Kernel): [number, number] {
  const [x, weight] = [numbers([96, 384], 6), numbers([384, 384], 7)];
  const packed = [wide, relaxed].map((kernel) => kernel.pack(weight));
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS.most; round++) {
    if (round >= ROUNDS.least && best[0]! < CLEARLY * best[1]!) break;
    [wide, relaxed].forEach((kernel, n) => {
      const begin = performance.now();
      kernel.linear(x, packed[n]!);
      best[n] = Math.min(best[n]!, performance.now() - begin);
    });
  }
  [wide, relaxed].forEach((kernel, n) => void kernel.free(packed[n]!));
  return best as [number, number];
}

/** Tries the wide build once a process. */
export function proveWide(): { available: boolean; why: string } {
  if (!verdict) {
    const obstacle = switchOn();
    if (obstacle) verdict = { available: false, why: obstacle };
    else {
      const [wide, relaxed] = [new WasmKernel("wide"), new WasmKernel("relaxed")];
      if (!agrees(wide)) verdict = { available: false, why: "its self-test disagreed with the reference" };
      else {
        const [a, b] = race(wide, relaxed);
        const times = `96×384×384 takes ${a.toFixed(2)} ms, relaxed ${b.toFixed(2)} ms`;
        verdict = {
          available: a < b,
          why: a < b ? `256-bit pass works: ${times}` : `256-bit pass does not pay: ${times}`,
        };
      }
    }
  }
  return verdict;
}
