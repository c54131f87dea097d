/** @file A map, or a part of it, on kernel memory: assembly/attention-weights.ts. */
import type { Tensor } from "../../tensor/index.js";
import type { AttentionCall } from "../kernel.js";
import { beginAttention } from "./attention.js";
import type { Workspace } from "./workspace.js";

/** An exponential and what else a pair costs beside its product, in multiply-adds. */
const PAIR = 24;

export function attentionWeights(
  w: Workspace,
  call: Omit<AttentionCall, "v" | "valueDim">,
  rows: readonly [number, number],
  columns: readonly [number, number],
  lse?: Tensor,
): Tensor {
  const { batch, heads, headDim } = call;
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  return w.operation(() => {
    const weights = w.result([batch, heads, height, width]);
    if (height <= 0 || width <= 0) return weights.tensor;
    const total = w.operand(lse);
    const c = beginAttention(w, { ...call, v: call.k, valueDim: 0 });
    const blocks = Math.ceil(height / w.wasm.weightsRows!());
    c.o = weights.address;
    c.lse = total;
    c.firstRow = rows[0];
    c.endRow = rows[1];
    c.firstColumn = columns[0];
    c.endColumn = columns[1];
    c.blockCount = blocks;
    const { address } = c;
    const pairs = batch * heads * height * (lse ? width : width + call.keys);
    const scratch = w.wasm.weightsScratch!(address);
    w.pool.run("attentionWeights", address, batch * heads * blocks, scratch, pairs * (headDim + PAIR), call.threads);
    return weights.tensor;
  });
}
