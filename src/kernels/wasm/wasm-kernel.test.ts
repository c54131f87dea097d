import { beforeAll, describe, expect, test } from "vitest";
import { attentionCallOf, numbers, operands, owned } from "../problems.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import type { AttentionCall } from "../kernel.js";
import { referenceKernel } from "../reference/reference-kernel.js";
import { kernelAvailable } from "../select.js";
import { ACTIVE, FAILED } from "./lane.js";
import type { Build, Exports } from "./load.js";
import { WasmKernel } from "./wasm-kernel.js";

const builds = (["portable", "relaxed", "wide"] as const).filter((name) => kernelAvailable(name).available);
const call = (L: number, D: number, causal = true, heads = 2, window?: number): AttentionCall => {
  const problem = { heads, queries: L, keys: L, headDim: D, causal, ...(window && { window }) };
  return attentionCallOf(problem, operands(problem));
};

describe("memory", () => {
  const kernel = new WasmKernel("portable");
  beforeAll(() => void kernel.attention(call(37, 16))); // scratch is kept from the first call on

  test("outside every scope results are ordinary arrays and nothing stays in kernel memory", () => {
    const before = kernel.bytesInUse;
    const { output, lse } = kernel.attention(call(37, 16));
    const scratch = kernel.bytesInUse - before; // the thread's scratch is kept for the next call
    kernel.attention(call(37, 16));
    expect(kernel.bytesInUse - before).toBe(scratch);
    for (const x of [output, lse]) expect(x.data.buffer).toBeInstanceOf(ArrayBuffer);
  });

  test("a scope gives back what it made, except what its body returns, at any depth", () => {
    const before = kernel.bytesInUse;
    let lost: Tensor | undefined;
    const kept = kernel.scope(() => {
      lost = kernel.affine(tensor([1, 2]), 2);
      const inner = kernel.scope(() => ({ list: [kernel.affine(tensor([1, 2]), 3)] }));
      expect(kernel.bytesInUse).toBeGreaterThan(before);
      return { deep: { map: new Map([["x", kernel.binary("add", inner.list[0]!, lost)]]) }, inner };
    });
    expect([...kept.deep.map.get("x")!.data]).toEqual([5, 10]);
    expect([...kept.inner.list[0]!.data]).toEqual([3, 6]);
    expect(() => lost!.data).toThrow("its scope has ended");
    expect(kernel.bytesInUse).toBe(before);
  });

  test("a body that throws leaves nothing behind", () => {
    const before = kernel.bytesInUse;
    const body = (): void => {
      kernel.affine(tensor([1]), 1);
      throw new Error("mine");
    };
    expect(() => kernel.scope(body)).toThrow("mine");
    expect(kernel.bytesInUse).toBe(before);
  });

  test("10,000 passes keep memory flat, in bytes", () => {
    const [x, weight] = [numbers([5, 24], 1), kernel.pack(numbers([24, 24], 2))];
    const one = call(5, 12);
    const pass = (): void => {
      kernel.scope(() => {
        const { output } = kernel.attention(one);
        return (
          kernel.binary(
            "add",
            kernel.linear(x, weight),
            kernel.linear(kernel.layerNorm(x, undefined, undefined, 1e-5), weight),
          ) && output
        );
      });
    };
    for (let n = 0; n < 10; n++) pass();
    const [inUse, capacity] = [kernel.bytesInUse, kernel.capacity];
    for (let n = 0; n < 10_000; n++) pass();
    expect(kernel.bytesInUse).toBe(inUse);
    expect(kernel.capacity).toBe(capacity);
    kernel.free(weight);
  });

  test("one head of 65,536 tokens takes less than 200 MB beyond its inputs: no N × N array", () => {
    const long = new WasmKernel("portable");
    const { output } = long.attention(call(65_536, 64, true, 1, 32));
    expect(output.shape).toEqual([1, 1, 65_536, 64]);
    const copies = 3 * 65_536 * 64 * 4; // the inputs themselves, copied in
    expect(long.capacity - copies).toBeLessThan(200e6);
  });

  test("short weight formats hold short numbers", () => {
    const weight = numbers([64, 64], 3);
    const bytes = (["f32", "bf16", "f16", "int8"] as const).map((format) => kernel.pack(weight, format).bytes);
    expect(bytes).toEqual([16384, 8192, 8192, 4096 + 256]);
  });
});

describe.each(builds)("%s", (name: Build) => {
  const kernel = new WasmKernel(name);

  test("the same bits for 1 and for 3 threads, every operation that is cut", async () => {
    const one = call(333, 40, true, 5);
    const [x, weight] = [numbers([301, 200], 4), numbers([190, 200], 5)];
    const slope = numbers([1, 5, 333, 40], 6);
    const [rows, table] = [numbers([1501, 333], 7), numbers([1501, 333], 8)];
    const norm = [numbers([333], 9), numbers([333], 10)] as const;
    const ids = Int32Array.from({ length: 1501 }, (_, n) => (n * 7919) % 211);
    const loss = { ignoreIndex: 5, labelSmoothing: 0.1 };
    const layer = {
      cell: "gru" as const,
      inputs: numbers([300, 3, 3 * 37], 11),
      weight: numbers([3 * 37, 37], 12),
      h: numbers([300, 37], 13),
    };
    const along = (): Tensor[] => {
      const { dx, dWeight, dBias } = kernel.layerNormBackward(rows, norm[0], 1e-5, table);
      return [
        kernel.layerNorm(rows, ...norm, 1e-5),
        ...[dx, dWeight, dBias],
        kernel.rmsNormBackward(rows, norm[0], 1e-5, table).dWeight,
        ...[kernel.softmax(rows), kernel.logSoftmax(rows), kernel.logSoftmaxBackward(rows, table)],
        ...[kernel.crossEntropy(rows, ids, loss), kernel.crossEntropyBackward(rows, ids, loss, 0.7)],
        ...[kernel.scatterAdd(rows, ids, 211), kernel.reduce("sum", rows, [0]), kernel.reduce("mean", rows, [0])],
        ...[kernel.unary("cos", rows), kernel.unaryBackward("log", rows, table), tensor([kernel.sumOfSquares(rows)])],
      ];
    };
    const all = (): Float32Array[] => {
      const saved = kernel.attention(one);
      const { dq, dk, dv } = kernel.attentionBackward(one, saved, slope);
      const maps = [saved.lse, undefined].map((lse) => kernel.attentionWeights(one, [3, 333], [10, 331], lse));
      const states = kernel.recurrent(layer);
      const { dInputs, dWeight, dH } = kernel.recurrentBackward(layer, states, numbers([300, 3, 37], 14), undefined);
      return [
        saved.output,
        saved.lse,
        dq,
        dk,
        dv,
        kernel.linear(x, weight),
        ...maps,
        ...along(),
        states.output,
        dInputs,
        dWeight,
        dH,
      ].map((t) => t.data.slice());
    };
    kernel.threads = 1;
    const alone = all();
    kernel.threads = 3;
    for (let n = 0; n < 20 && kernel.ready < 3; n++) {
      all();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(kernel.ready).toBe(3);
    for (let n = 0; n < 3; n++) expect(differing(all(), alone)).toEqual([]);
    kernel.dispose();
    expect(differing(all(), alone)).toEqual([]); // a new pool, or the calling thread alone
    kernel.dispose();
  });

  test("over 500 odd shapes and logits up to 100 at most 1.2 times as far from float64 as plain float32 loops", () => {
    const exact = referenceKernel({ precision: "float64" });
    let [ours, plain] = [0, 0];
    for (let n = 0; n < 500; n++) {
      const pick = (salt: number, most: number): number => 1 + ((n * 7919 + salt * 104729) % most);
      const [Lq, Lk, D] = [pick(1, 67), pick(2, 131), pick(3, 70)];
      const problem = {
        heads: 1,
        queries: Lq,
        keys: Lk,
        headDim: D,
        causal: n % 3 === 0,
        ...(n % 5 === 0 && { window: pick(4, 40) }),
      };
      const grown = 1 + (n % 4); // scores grow with its square
      const [q, k, v] = operands(problem).map((x, i) =>
        i < 2
          ? tensor(
              x.data.map((y) => y * grown),
              x.shape,
            )
          : x,
      ) as [never, never, never];
      const one = attentionCallOf(problem, [q, k, v]);
      const want = exact.attention(one).output.data;
      ours = Math.max(ours, farthest(kernel.attention(one).output.data, want));
      plain = Math.max(plain, farthest(float32Loops(one), want));
    }
    expect(ours).toBeLessThan(1.2 * plain);
  });
});

/** The pool as the test must see it to end one of its threads. */
interface PoolInside {
  patience: number;
  control: Int32Array;
  lanes: { terminate(): Promise<number>; performance?: unknown }[];
  wasm: Exports;
  run(name: string, args: number, tasks: number, scratch: number, work: number): void;
}

/** Holds this thread until something is so. */
function wait(so: () => boolean): number {
  while (!so());
  return 0;
}

/** Kernels with which this thread's first task ends the other thread, once that one is at work. */
function endingTheOther(pool: PoolInside, wasm: Exports): Exports {
  let ended = false;
  return {
    ...wasm,
    attentionForward: (...args) => {
      if (!ended) wait(() => Atomics.load(pool.control, ACTIVE) === 1);
      if (!ended) void pool.lanes[0]!.terminate();
      ended = true;
      return wasm.attentionForward!(...args);
    },
  };
}

test("a worker that ends in the middle of an operation gives an error at once, and the next one has new threads", async () => {
  const kernel = new WasmKernel("portable");
  kernel.threads = 2;
  const one = call(1500, 64, true, 4);
  const want = kernel.attention(one).output.data.slice();
  const started = async (): Promise<void> => {
    for (let n = 0; n < 100 && kernel.ready < 2; n++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(kernel.ready).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 50)); // Node says of a thread that it lives when this one has looked
  };
  await started();
  const { pool, wasm } = (kernel as unknown as { workspace: { pool: PoolInside; wasm: Exports } }).workspace;
  pool.wasm = endingTheOther(pool, wasm);
  expect(() => kernel.attention(one)).toThrow("lost a worker in the middle of an operation");
  pool.wasm = wasm;
  expect(kernel.ready).toBe(1);
  expect(kernel.attention(one).output.data).toEqual(want);
  await started();
  // One that ends while nothing is to do is replaced too.
  await pool.lanes[0]!.terminate();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(kernel.ready).toBe(1);
  expect(kernel.attention(one).output.data).toEqual(want);
  await started();
  // One that traps, on arguments past the memory's end, while this thread waits for just that.
  pool.wasm = { ...wasm, attentionForward: () => wait(() => Atomics.load(pool.control, FAILED) === 1) };
  expect(() => pool.run("attentionForward", -64, 8, 64, 1e9)).toThrow("stopped in the middle of an operation");
  pool.wasm = wasm;
  expect(kernel.attention(one).output.data).toEqual(want);
  kernel.dispose();
});

test("a worker that ends where nobody tells whether it lives is missed, and a slow one is not", async () => {
  const kernel = new WasmKernel("portable");
  kernel.threads = 2;
  const one = call(1500, 64, true, 4);
  const want = kernel.attention(one).output.data.slice();
  for (let n = 0; n < 100 && kernel.ready < 2; n++) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(kernel.ready).toBe(2);
  const { pool, wasm } = (kernel as unknown as { workspace: { pool: PoolInside; wasm: Exports } }).workspace;
  Object.defineProperty(pool.lanes[0], "performance", { value: undefined }); // a browser's worker
  pool.patience = 0; // so what a task takes decides
  expect(kernel.attention(one).output.data).toEqual(want);
  pool.wasm = endingTheOther(pool, wasm);
  expect(() => kernel.attention(one)).toThrow("lost a worker in the middle of an operation");
  kernel.dispose();
});

test("kernel memory is read in place and written in place", () => {
  const kernel = new WasmKernel("portable");
  const p = owned(kernel, numbers([100], 7));
  const want = p.data.map((x) => x * 2);
  kernel.scaleInPlace(p, 2);
  expect([...p.data]).toEqual([...want]);
  kernel.free(p);
  expect(() => p.data).toThrow("given back");
});

/** Numbers of the results whose bits are not the same. */
function differing(got: Float32Array[], want: Float32Array[]): number[] {
  const bytes = (x: Float32Array): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return want.flatMap((x, n) => (Buffer.compare(bytes(x), bytes(got[n]!)) === 0 ? [] : [n]));
}

function farthest(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let most = 0;
  for (let n = 0; n < want.length; n++) most = Math.max(most, Math.abs(got[n]! - want[n]!));
  return most;
}

/** Textbook loops, every step rounded to float32: what any float32 implementation may be measured by. */
function float32Loops({ queries, keys, headDim: D, scale, rule, q, k, v }: AttentionCall): Float32Array {
  const f = Math.fround;
  const out = new Float32Array(queries * D);
  for (let i = 0; i < queries; i++) {
    const [from, to] = [rule.first[i]!, Math.min(keys, rule.end[i]!)];
    if (from >= to) continue;
    const s = Array.from({ length: to - from }, (_, j) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum = f(sum + f(q.tensor.data[i * D + d]! * k.tensor.data[(from + j) * D + d]!));
      return f(sum * f(scale));
    });
    const top = Math.max(...s);
    const e = s.map((x) => f(Math.exp(f(x - top))));
    const total = e.reduce((a, b) => f(a + b), 0);
    for (let d = 0; d < D; d++) {
      let sum = 0;
      for (let j = 0; j < e.length; j++) sum = f(sum + f(f(e[j]! / total) * v.tensor.data[(from + j) * D + d]!));
      out[i * D + d] = sum;
    }
  }
  return out;
}
