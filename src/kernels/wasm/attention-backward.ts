/** @file Slopes of attention on kernel memory. */
import type { AttentionCall, AttentionResult, AttentionSlopes } from "../kernel.js";
import { outputShape } from "../layout.js";
import { checkSame } from "../shapes.js";
import { beginAttention, work, writeBackwardCut, writeOutput } from "./attention.js";
import type { Workspace } from "./workspace.js";
import type { Tensor } from "../../tensor/index.js";

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
      w.memory.bytes.fill(0, result.address, result.address + like.size * 4);
      return result;
    };
    const [dq, dk, dv] = [zeros(call.q.tensor), zeros(call.k.tensor), zeros(call.v.tensor)];
    const dBias = call.bias && zeros(call.bias.tensor);
    const rows = call.batch * call.heads * call.queries;
    const delta = call.sinks ? w.zeros(rows * 4) : 0;
    const lse = w.operand(saved.lse);
    const tasks = call.batch * call.keyHeads;
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
