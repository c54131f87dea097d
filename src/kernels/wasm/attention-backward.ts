/** @file Slopes of attention on kernel memory. */
import type { AttentionCall, AttentionResult, AttentionSlopes, Heads } from "../kernel.js";
import { outputShape } from "../layout.js";
import { checkSame } from "../shapes.js";
import { beginAttention, work, writeBackwardCut, writeOutput } from "./attention.js";
import type { Workspace } from "./workspace.js";
import type { Tensor } from "../../tensor/index.js";

/** Whether every number of the tensor belongs to one row of one head, as in [B, H, L, D] and [B, L, H·D]. */
function isWhole({ tensor, strides, offset }: Heads, extents: readonly number[], width: number): boolean {
  let covered = width;
  const axes = extents.map((extent, n) => ({ extent, stride: strides[n]! })).filter(({ extent }) => extent !== 1);
  for (const { extent, stride } of axes.sort((a, b) => a.stride - b.stride)) {
    if (stride !== covered) return false;
    covered *= extent;
  }
  return offset === 0 && covered === tensor.size;
}

export function attentionBackward(
  w: Workspace,
  call: AttentionCall,
  saved: AttentionResult,
  dOutput: Tensor,
): AttentionSlopes {
  checkSame("attention backward", "dOutput", dOutput, saved.output);
  if (outputShape(call).length !== dOutput.shape.length) throw new Error("the result has another layout than the call");
  return w.operation(() => {
    const zeros = (like: Tensor): { tensor: Tensor; address: number } => {
      const result = w.result(like.shape);
      w.memory.floats.fill(0, result.address / 4, result.address / 4 + like.size);
      return result;
    };
    const { batch, heads, keyHeads, queries, keys, headDim, valueDim, q, k, v } = call;
    const overlap =
      !isWhole(q, [batch, heads, queries], headDim) ||
      !isWhole(k, [batch, keyHeads, keys], headDim) ||
      !isWhole(v, [batch, keyHeads, keys], valueDim);
    const slopes = (like: Tensor) => (overlap ? zeros(like) : w.result(like.shape));
    const [dq, dk, dv] = [slopes(q.tensor), slopes(k.tensor), slopes(v.tensor)];
    const dBias = call.bias && zeros(call.bias.tensor);
    const rows = batch * heads * queries;
    const delta = call.sinks ? w.zeros(rows * 4) : 0;
    const lse = w.operand(saved.lse);
    const tasks = batch * keyHeads;
    const c = beginAttention(w, call);
    writeBackwardCut(w, c, call);
    writeOutput(c, call, dOutput);
    c.o = w.operand(dOutput);
    c.output = w.operand(saved.output);
    c.lse = lse;
    c.dq = dq.address + call.q.offset * 4;
    c.dk = dk.address + call.k.offset * 4;
    c.dv = dv.address + call.v.offset * 4;
    if (dBias) c.dBias = dBias.address + call.bias!.offset * 4;
    c.delta = delta;
    c.overlap = overlap ? 1 : 0;
    const args = c.address;
    // Heads and batch items may share numbers of the bias: one after the other then.
    w.pool.run(
      "attentionBackward",
      args,
      tasks,
      w.wasm.backwardScratch!(args),
      2 * work(call),
      dBias ? 1 : call.threads,
    );
    return {
      dq: dq.tensor,
      dk: dk.tensor,
      dv: dv.tensor,
      ...(dBias && { dBias: dBias.tensor }),
      ...(call.sinks && { dSinks: sinkSlopes(w, call, lse, delta) }),
    };
  });
}

/** dsink = −Σ over queries and batch of e^(sink − lse)·Δ; an empty row gives the constant 0 and has no slope. */
function sinkSlopes(w: Workspace, { batch, heads, queries, sinks }: AttentionCall, lse: number, delta: number): Tensor {
  const result = w.result([heads]);
  const { floats } = w.memory;
  const sink = sinks!.data;
  for (let h = 0; h < heads; h++) {
    let sum = 0;
    for (let b = 0; b < batch; b++) {
      const row = (b * heads + h) * queries;
      for (let i = row; i < row + queries; i++) {
        const l = floats[lse / 4 + i]!;
        if (l !== Number.NEGATIVE_INFINITY) sum -= Math.exp(sink[h]! - l) * floats[delta / 4 + i]!;
      }
    }
    floats[result.address / 4 + h] = sum;
  }
  return result.tensor;
}
