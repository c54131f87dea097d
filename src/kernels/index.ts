// The public surface of "qkv/kernels".
export { defaultKernel, ops, setDefaultKernel, withOperations } from "./current.js"; // which kernel works now
export type * from "./kernel.js"; // the interface every maker implements
