/** @file Every build of the WebAssembly kernel that this engine can run does what the reference does. */
import { describe, test } from "vitest";
import { type KernelName, kernelAvailable } from "../../src/kernels/index.js";
import { WasmKernel } from "../../src/kernels/wasm/wasm-kernel.js";
import type { Build } from "../../src/kernels/wasm/load.js";
import { conformance } from "./conformance.js";

for (const name of ["portable", "relaxed", "wide"] as const satisfies readonly KernelName[]) {
  const { available, why } = kernelAvailable(name);
  if (available) conformance(new WasmKernel(name as Build));
  else describe(name, () => test.skip(`not run here: ${why}`, () => {}));
}
