import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { conformance } from "./conformance.js";

conformance(referenceKernel({ precision: "float32" }));
