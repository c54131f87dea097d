/**
 * @file Which kernel works now.
 *
 * Everything above the kernels calls `ops()`. Outside of any block that is the default kernel; `withOperations` puts
 * another maker, or a recorder over one, in its place while a function runs. All operations are synchronous, so a
 * plain variable is enough and nothing can interleave.
 */
import type { Kernel, Operations } from "./kernel.js";
import { standardKernel } from "./standard.js";

let standard: () => Kernel = standardKernel;
let chosen: Kernel | undefined;
let current: Operations | undefined;

/** @internal Gives another function that makes the default kernel: a build for one engine, a test. */
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

/** The kernel that does the arithmetic of the operations in force: they themselves, or the one a recorder works over. */
export function kernelInForce(): Kernel {
  const now = ops() as Partial<Kernel> & { readonly kernel?: Kernel };
  return now.kernel ?? (now as Kernel);
}
