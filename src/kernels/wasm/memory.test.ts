import fc from "fast-check";
import { expect, test } from "vitest";
import { KernelMemory, KernelStorage } from "./memory.js";

const fresh = (maximum = 256): KernelMemory => new KernelMemory(new WebAssembly.Memory({ initial: 1, maximum }), 1000);

test("blocks never overlap, begin on cache lines, and everything given back merges into one span", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.boolean()), { maxLength: 60 }), (steps) => {
      const memory = fresh();
      const live: { from: number; bytes: number }[] = [];
      for (const [bytes, giveBack] of steps) {
        if (giveBack && live.length > 0) memory.release(live.splice(bytes % live.length, 1)[0]!.from);
        else {
          const from = memory.allocate(bytes);
          expect(from % 64).toBe(0);
          for (const other of live) {
            expect(from + Math.max(bytes, 1) <= other.from || other.from + Math.max(other.bytes, 1) <= from).toBe(true);
          }
          live.push({ from, bytes });
        }
      }
      for (const { from } of live) memory.release(from);
      expect(memory.bytesInUse).toBe(0);
      const first = memory.allocate(64);
      expect(first).toBe(1024); // the lowest line: nothing was left behind
    }),
  );
});

test("what is freed is used again: a thousand rounds do not grow the memory", () => {
  const memory = fresh();
  memory.release(memory.allocate(100_000));
  const before = memory.capacity;
  for (let n = 0; n < 1000; n++) memory.release(memory.allocate(1000 + (n % 90) * 1000));
  expect(memory.capacity).toBe(before);
});

test("a request past the limit says how much, how much is in use, and the way out", () => {
  const memory = fresh(2);
  expect(() => memory.allocate(1_000_000)).toThrowErrorMatchingInlineSnapshot(
    `[QkvError: kernel memory: a request of 1000000 bytes does not fit: 0 bytes are in use and WebAssembly addresses 4 GB at most; expected less at a time. Fix: work inside ops().scope(…) so that intermediate results are given back, free unused weights, or shorten the input.]`,
  );
});

test("numbers stay readable when an unshared memory grows, which detaches its buffer", () => {
  const memory = fresh();
  const storage = new KernelStorage(memory, 3);
  storage.array.set([1, 2, 3]);
  memory.allocate(1_000_000);
  expect([...storage.array]).toEqual([1, 2, 3]);
});

test("numbers that were given back are an error, numbers that moved out are not", () => {
  const memory = fresh();
  const [gone, moved] = [new KernelStorage(memory, 2), new KernelStorage(memory, 2)];
  moved.array.set([4, 5]);
  gone.release();
  moved.evacuate();
  expect(memory.bytesInUse).toBe(0);
  expect([...moved.array]).toEqual([4, 5]);
  expect(() => gone.array).toThrowErrorMatchingInlineSnapshot(
    `[QkvError: tensor: data was given back to the kernel: its scope has ended or it was freed. Fix: return the tensor from scope(…), or copy its data inside.]`,
  );
});
