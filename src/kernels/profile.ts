/**
 * @file Notes how long each operation of a kernel takes, while it is asked to.
 *
 * The kernel stays the object it is, since weights remember who packed them: its methods are covered by timed ones and
 * uncovered again. What an operation calls itself belongs to it, so shares add up to the time spent in arithmetic.
 */
import type { Kernel } from "./kernel.js";

export interface OperationTime {
  operation: string;
  calls: number;
  milliseconds: number;
}

/** Operations that hand out memory or run a body: no arithmetic of their own. */
const UNTIMED = new Set(["scope", "empty", "allocate", "free", "reshape", "constructor", "own", "dispose"]);

type Methods = Record<string, (...args: unknown[]) => unknown>;

export class Profile {
  readonly #kernel: Methods;
  readonly #totals = new Map<string, { calls: number; milliseconds: number }>();
  #covered: string[] = [];
  #inside = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel as unknown as Methods;
  }

  start(): void {
    for (const name of methodsOf(this.#kernel)) {
      this.#kernel[name] = this.#timed(name, this.#kernel[name]!);
      this.#covered.push(name);
    }
  }

  stop(): void {
    for (const name of this.#covered.splice(0)) delete this.#kernel[name];
  }

  /** Milliseconds of all operations. */
  get total(): number {
    return [...this.#totals.values()].reduce((sum, t) => sum + t.milliseconds, 0);
  }

  /** Most expensive first. */
  times(): OperationTime[] {
    return [...this.#totals]
      .map(([operation, t]) => ({ operation, ...t }))
      .sort((a, b) => b.milliseconds - a.milliseconds);
  }

  #timed(name: string, method: Methods[string]): Methods[string] {
    const kernel = this.#kernel;
    return (...args) => {
      if (this.#inside) return method.apply(kernel, args);
      this.#inside = true;
      const begin = performance.now();
      try {
        return method.apply(kernel, args);
      } finally {
        const took = performance.now() - begin;
        this.#inside = false;
        const total = this.#totals.get(name);
        if (total) {
          total.calls++;
          total.milliseconds += took;
        } else this.#totals.set(name, { calls: 1, milliseconds: took });
      }
    };
  }
}

function methodsOf(kernel: object): string[] {
  const names = new Set<string>();
  for (let p: object = Object.getPrototypeOf(kernel); p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(p))) {
      if (typeof value === "function" && !UNTIMED.has(name)) names.add(name);
    }
  }
  return [...names];
}
