/**
 * @file Who owns kernel memory: a stack of scopes.
 *
 * Results made inside a scope belong to it and are given back when it ends, except those found in what its body returns:
 * they pass to the scope around it or, when there is none, move to ordinary memory. So code outside every scope only ever
 * holds ordinary arrays, which nothing can free.
 */
import { Tensor } from "../../tensor/index.js";
import { KernelStorage } from "./memory.js";

/** How deep a returned value is searched for tensors: arrays, plain objects, maps and class fields. */
const DEPTH = 6;

export class Scopes {
  private readonly stack: KernelStorage[][] = [];

  get active(): boolean {
    return this.stack.length > 0;
  }

  /** The innermost scope owns this from now on. */
  adopt(storage: KernelStorage): void {
    this.stack.at(-1)!.push(storage);
  }

  run<T>(body: () => T): T {
    const mine: KernelStorage[] = [];
    this.stack.push(mine);
    let result: T | undefined;
    try {
      result = body();
      return result;
    } finally {
      this.stack.pop();
      const kept = new Set<KernelStorage>();
      if (mine.length > 0) collect(result, DEPTH, kept, new Set());
      const outer = this.stack.at(-1);
      for (const storage of mine) {
        if (!kept.has(storage)) storage.release();
        else if (outer) outer.push(storage);
        else storage.evacuate();
      }
    }
  }
}

function collect(value: unknown, depth: number, into: Set<KernelStorage>, seen: Set<object>): void {
  if (typeof value !== "object" || value === null || depth < 0 || seen.has(value)) return;
  if (value instanceof Tensor) {
    if (value.storage instanceof KernelStorage) into.add(value.storage);
    return;
  }
  if (ArrayBuffer.isView(value)) return;
  seen.add(value);
  if (Array.isArray(value) && value.length > 64 && typeof value[0] !== "object") return; // ids, not tensors
  const inside = value instanceof Map || value instanceof Set ? value.values() : Object.values(value);
  for (const part of inside) collect(part, depth - 1, into, seen);
}
