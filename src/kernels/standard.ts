/** @file The kernel that works when nobody chose one. */
import type { Kernel } from "./kernel.js";
import { referenceKernel } from "./reference/reference-kernel.js";

export function standardKernel(): Kernel {
  return referenceKernel({ precision: "float32" });
}
