/** @file Choosing a kernel by name. */
import { setDefaultKernel } from "./current.js";
import type { Kernel } from "./kernel.js";
import { type KernelName, kernelByName } from "./select.js";

/**
 * Makes the kernel of that name the default from now on: "reference", "portable", "relaxed" or "wide".
 * "wide" switches on an experimental flag of V8 for the whole process.
 * @throws {UnavailableError} where this engine cannot run it
 */
export function useKernel(name: KernelName): Kernel {
  const kernel = kernelByName(name);
  setDefaultKernel(kernel);
  return kernel;
}
