/**
 * @file Operations that are looked at, or changed, while a model runs: every model is written over one interface, so what
 * its blocks do can be seen from there, whatever the architecture.
 */
import { kernelInForce, withOperations } from "../../kernels/current.js";
import type { Operations } from "../../kernels/kernel.js";

/** For an operation by name: what is done in its place; `go` does it. */
export type Watch = {
  [K in keyof Operations]?: (go: Operations[K], ...given: Parameters<Operations[K]>) => ReturnType<Operations[K]>;
};

/** Runs `body` with some operations watched. Numbers are the kernel's own. */
export function watching<T>(watch: Watch, body: () => T): T {
  const kernel = kernelInForce();
  const own: Record<string, unknown> = { kernel };
  for (const [name, instead] of Object.entries(watch)) {
    const go = (kernel as unknown as Record<string, (...x: unknown[]) => unknown>)[name]!.bind(kernel);
    own[name] = (...given: unknown[]) => (instead as (...x: unknown[]) => unknown)(go, ...given);
  }
  const watched = new Proxy(kernel as unknown as Record<string, unknown>, {
    get(target, name: string) {
      if (Object.hasOwn(own, name)) return own[name];
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return withOperations(watched as unknown as Operations, body);
}
