/**
 * @file What the trace room needs of a kernel, without WebAssembly: the reference's own loops. The one-file page and the
 * `<attention-view>` element are built with this in place of the kernels, which would weigh four times the rest.
 */
import { ordinary } from "../../kernels/reference/allocate.js";
import { attentionWeights } from "../../kernels/reference/attention.js";
import type { Kernel } from "../../kernels/kernel.js";

const place = ordinary("float32");
const kernel: Pick<Kernel, "name" | "attentionWeights"> = {
  name: "reference",
  attentionWeights: (call, rows, columns, lse) => attentionWeights(place, call, rows, columns, lse),
};

export function defaultKernel(): Pick<Kernel, "name" | "attentionWeights"> {
  return kernel;
}
