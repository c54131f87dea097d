import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { conformance } from "./conformance.js";

conformance("the reference with float32 numbers", referenceKernel({ precision: "float32" }));
