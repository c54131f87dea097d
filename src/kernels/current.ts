/**
 * @file Which kernel works now.
 *
 * Everything above the kernels calls `ops()`. Outside of any block that is the default kernel; `withOperations` puts
 * another maker, or a recorder over one, in its place while a function runs. All operations are synchronous, so a
 * plain variable is enough and nothing can interleave.
 */
import type { Kernel, Operations } from "./kernel.js";

let standard: () => Kernel = () => {
  throw new Error("no kernel registered");
};
let chosen: Kernel | undefined;
let current: Operations | undefined;

/** @internal The makers register the function that gives the default kernel. */
export function registerDefaultKernel(make: () => Kernel): void {
  standard = make;
}

/** The kernel that does arithmetic when nothing else is said. */
export function defaultKernel(): Kernel {
  chosen ??= standard();
  return chosen;
}

/** Makes `kernel` the default from now on. */
export function setDefaultKernel(kernel: Kernel): void {
  chosen = kernel;
}

/** The operations in force: a kernel, or a recorder that listens. */
export function ops(): Operations {
  return current ?? defaultKernel();
}

/** Runs `body` with other operations in force, also when it throws. */
export function withOperations<T>(operations: Operations, body: () => T): T {
  const before = current;
  current = operations;
  try {
    return body();
  } finally {
    current = before;
  }
}
