/**
 * @file Slopes of attention with respect to q, k, v, bias and sinks, when the output, its log-sum-exp, or both are used.
 *
 * The output's part is the kernel's. The log-sum-exp L_i = ln Σ_j e^(s_ij) adds ∂L_i/∂s_ij = P_ij, hence
 *     dq_i += scale · dL_i · Σ_j P_ij k_j         attention once more, with k in the place of v
 *     dk_j += scale · Σ_i P_ij · dL_i q_i         the slope of v, for the upstream dL_i q_i
 *     dsink += dL_i · e^(sink − L_i)
 * so neither needs a map.
 */
import type { AttentionCall, AttentionResult, Kernel } from "../kernels/kernel.js";
import { rowStart } from "../kernels/layout.js";
import { OptionError, type Tensor } from "../tensor/index.js";
import { filled } from "./broadcast.js";

/** In the order q, k, v, bias, sinks; each of the size of the tensor the call reads from. */
type Slopes = [q?: Tensor, k?: Tensor, v?: Tensor, bias?: Tensor, sinks?: Tensor];

export function attentionSlopes(
  kernel: Kernel,
  call: AttentionCall,
  result: AttentionResult,
  dOutput: Tensor | undefined,
  dLse: Tensor | undefined,
): Slopes {
  const fromOutput: Slopes = [];
  if (dOutput) {
    const { dq, dk, dv, dBias, dSinks } = kernel.attentionBackward(call, result, dOutput);
    fromOutput.push(dq, dk, dv, dBias, dSinks);
  }
  if (!dLse) return fromOutput;
  const fromLse = lseSlopes(kernel, call, result, dLse);
  return [0, 1, 2, 3, 4].map((n) => sum(kernel, fromOutput[n], fromLse[n])) as Slopes;
}

function sum(kernel: Kernel, a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  return a && b ? kernel.binary("add", a, b) : (a ?? b);
}

function lseSlopes(kernel: Kernel, call: AttentionCall, { lse }: AttentionResult, dLse: Tensor): Slopes {
  const bent = call.softcap ? "softcap" : call.bias ? "bias" : call.scoreMod ? "a score function" : undefined;
  if (bent) {
    throw new OptionError({
      where: "gradient",
      argument: "lse",
      got: `depends on ${bent}, for which its slope is not worked out`,
      expected: "a result that uses the output only",
      fix: "take the loss from the output of attention, not from its lse",
    });
  }
  const { dropout: _keepsAll, ...rest } = call; // the log-sum-exp comes before dropout
  const means: AttentionCall = { ...rest, v: call.k, valueDim: call.headDim, outputLayout: "heads" };
  const mean = kernel.attention(means); // Σ_j P_ij k_j, [B, H, Lq, D]
  const dq = filled(kernel, call.q.tensor.shape, 0);
  const upstream = kernel.empty(mean.output.shape); // scale · dL_i · q_i
  const { batch, heads, queries, headDim: D, scale } = call;
  const [q, m, d, slope, up] = [call.q.tensor, mean.output, dLse, dq, upstream].map((t) => t.data) as Float32Array[];
  const empty = lse.data.map((x) => (x === Number.NEGATIVE_INFINITY ? 0 : 1)); // a row that sees nothing has no slope
  for (let b = 0, r = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++, r++) {
        const at = rowStart(call.q, b, h, i);
        const factor = scale * d![r]! * empty[r]!;
        for (let n = 0; n < D; n++) {
          slope![at + n]! += factor === 0 ? 0 : factor * m![r * D + n]!;
          up![r * D + n] = factor === 0 ? 0 : factor * q![at + n]!;
        }
      }
    }
  }
  const dk = kernel.attentionBackward(means, mean, upstream).dv; // laid out as k
  return [dq, dk, undefined, undefined, call.sinks && sinkSlopes(kernel, call, lse, dLse)];
}

function sinkSlopes(kernel: Kernel, call: AttentionCall, lse: Tensor, dLse: Tensor): Tensor {
  const out = filled(kernel, [call.heads], 0);
  const [to, sinks, L, d] = [out.data, call.sinks!.data, lse.data, dLse.data];
  for (let r = 0; r < L.length; r++) {
    const h = Math.floor(r / call.queries) % call.heads;
    if (L[r] !== Number.NEGATIVE_INFINITY) to[h]! += d[r]! * Math.exp(sinks[h]! - L[r]!);
  }
  return out;
}
