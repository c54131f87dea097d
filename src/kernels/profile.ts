/**
 * @file A kernel that notes how long each of its operations takes. Its results are the kernel's own.
 *
 * Operations that call others (`scope`) are not timed themselves, so shares add up to the time spent in arithmetic.
 */
import type { Kernel } from "./kernel.js";

export interface OperationTime {
  operation: string;
  calls: number;
  milliseconds: number;
}

/** Operations that hand out memory or run a body: no arithmetic of their own. */
const UNTIMED = new Set(["scope", "empty", "allocate", "free", "reshape", "constructor"]);

export interface Profile {
  kernel: Kernel;
  /** Most expensive first. */
  times(): OperationTime[];
}

export function profiled(kernel: Kernel): Profile {
  const totals = new Map<string, { calls: number; milliseconds: number }>();
  const watched = new Proxy(kernel, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== "function") return value;
      if (typeof name === "symbol" || UNTIMED.has(name)) return value.bind(target);
      return (...args: unknown[]): unknown => {
        const begin = performance.now();
        try {
          return value.apply(target, args);
        } finally {
          const total = totals.get(name) ?? { calls: 0, milliseconds: 0 };
          totals.set(name, { calls: total.calls + 1, milliseconds: total.milliseconds + performance.now() - begin });
        }
      };
    },
  });
  return {
    kernel: watched,
    times: () =>
      [...totals].map(([operation, t]) => ({ operation, ...t })).sort((a, b) => b.milliseconds - a.milliseconds),
  };
}
