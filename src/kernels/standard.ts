/** @file The kernel that works when nobody chose one. */
export { standardKernel } from "./select.js";
