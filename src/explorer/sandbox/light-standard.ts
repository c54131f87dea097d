/** @file The kernel of the reader's own code: the reference's plain loops, so that no WebAssembly must be allowed there. */
import type { Kernel } from "../../kernels/kernel.js";
import { referenceKernel } from "../../kernels/reference/reference-kernel.js";

export const standardKernel = (): Kernel => referenceKernel({ precision: "float32" });
