/**
 * @file Slopes of attention, by recomputing each row of P from q and k.
 *     dv_j += p̃_j · do                       p̃ = p after dropout
 *     dp_j  = (do · v_j) · kept_j            kept = 0 or 1/(1 − rate); 1 without dropout
 *     ds_j  = p_j · (dp_j − Δ),  Δ = Σ p_j dp_j
 *     a score function multiplies ds_j by its own slope
 *     dbias += ds_j,  dsink −= p_sink · Δ
 *     dq += scale·ds_j·(1 − tanh²)·k_j,  dk_j += scale·ds_j·(1 − tanh²)·q
 * Dao et al. 2022 (arXiv:2205.14135), appendix B.4. A masked pair adds nothing, whatever its key and value hold.
 */
import type { Tensor } from "../../tensor/index.js";
import type { AttentionCall, AttentionSlopes } from "../kernel.js";
import { keyHeadOf, outputHeads, rowStart } from "../layout.js";
import type { Allocate } from "./allocate.js";
import { dropper } from "./attention.js";
import { rowReader, softmaxInPlace } from "./scores.js";

export function attentionBackward(empty: Allocate, call: AttentionCall, dOutput: Tensor): AttentionSlopes {
  const { batch, heads, keyHeads, queries, keys: Lk, headDim: D, valueDim: Dv, scale, bias } = call;
  const sums = {
    q: new Float64Array(call.q.tensor.size),
    k: new Float64Array(call.k.tensor.size),
    v: new Float64Array(call.v.tensor.size),
    bias: new Float64Array(bias ? bias.tensor.size : 0),
    sinks: new Float64Array(heads),
  };
  const [qs, ks, vs] = [call.q.tensor.data, call.k.tensor.data, call.v.tensor.data];
  const [dOut, sinks] = [dOutput.data, call.sinks?.data];
  const from = outputHeads(call, dOutput);
  const read = rowReader(call, true);
  const drop = dropper(call);
  const dp = new Float64Array(Lk);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const kHead = keyHeadOf(h, heads, keyHeads);
      for (let i = 0; i < queries; i++) {
        const row = read(b, h, i);
        if (row.count === 0) continue; // the result is the constant 0
        const lse = softmaxInPlace(row, sinks?.[h]);
        const p = row.scores;
        const keep = drop(b, h, i);
        const o = rowStart(from, b, h, i);
        let delta = 0;
        for (let n = 0; n < row.count; n++) {
          const kept = keep(row.keys[n]);
          dp[n] = 0;
          if (kept === 0) continue;
          const v = rowStart(call.v, b, kHead, row.keys[n]);
          for (let d = 0; d < Dv; d++) {
            dp[n] += dOut[o + d] * vs[v + d];
            sums.v[v + d] += p[n] * kept * dOut[o + d];
          }
          dp[n] *= kept;
          delta += p[n] * dp[n];
        }
        if (sinks) sums.sinks[h] -= Math.exp(sinks[h] - lse) * delta;
        const q = rowStart(call.q, b, h, i);
        const biasRow = bias ? bias.offset + b * bias.strides[0] + h * bias.strides[1] + i * bias.strides[2] : 0;
        for (let n = 0; n < row.count; n++) {
          const j = row.keys[n];
          const ds = p[n] * (dp[n] - delta) * row.bend[n];
          if (bias) sums.bias[biasRow + j * bias.strides[3]] += ds;
          const slope = scale * ds * row.steepness[n];
          const k = rowStart(call.k, b, kHead, j);
          for (let d = 0; d < D; d++) {
            sums.q[q + d] += slope * ks[k + d];
            sums.k[k + d] += slope * qs[q + d];
          }
        }
      }
    }
  }
  const rounded = (shape: readonly number[], sum: Float64Array): Tensor => {
    const out = empty(shape);
    out.data.set(sum);
    return out;
  };
  return {
    dq: rounded(call.q.tensor.shape, sums.q),
    dk: rounded(call.k.tensor.shape, sums.k),
    dv: rounded(call.v.tensor.shape, sums.v),
    ...(bias && { dBias: rounded(bias.tensor.shape, sums.bias) }),
    ...(call.sinks && { dSinks: rounded([heads], sums.sinks) }),
  };
}
