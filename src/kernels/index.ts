// The public surface of "qkv/kernels".
export { defaultKernel, kernelInForce, ops, setDefaultKernel, withOperations } from "./current.js"; // which kernel works now
export type * from "./kernel.js"; // the interface every maker implements
export { contiguousHeads, mergedHeads } from "./layout.js"; // where attention operands lie, as views
export { float64Tensor } from "./reference/allocate.js"; // float64 numbers, for the reference
export { ReferenceKernel, referenceKernel } from "./reference/reference-kernel.js"; // plain loops in float64: the specification
export { type KernelName, kernelAvailable, kernelNames } from "./select.js"; // which kernels run here, and why
export { useKernel } from "./use-kernel.js"; // "reference", "portable", "relaxed" or "wide"
