/**
 * @file One suite for every maker and every operation of the kernel interface, against the reference in float64.
 * What a maker may be off by is derived in compare.ts; a skip would have to state its reason.
 */
import { describe } from "vitest";
import type { Kernel } from "../../src/kernels/kernel.js";
import { attentionConforms } from "./attention.js";
import { operationsConform } from "./operations.js";
import { recurrentConforms } from "./recurrent.js";

export function conformance(kernel: Kernel): void {
  describe(`kernel "${kernel.name}", ${kernel.precision}, conforms:`, () => {
    operationsConform(kernel);
    attentionConforms(kernel);
    recurrentConforms(kernel);
  });
}
