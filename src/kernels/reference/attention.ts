/**
 * @file Scaled dot-product attention, row by row, as the equation says.
 *     s_j = softcap(scale · q·k_j) + bias_j − slope·|p − j|     keys that the row may see
 *     p_j = e^(s_j − lse),  lse = ln(Σ e^s + e^sink)
 *     o   = Σ p_j v_j
 * Vaswani et al. 2017 (arXiv:1706.03762) eq. 1. A row that sees nothing gives zeros and lse = −∞; 0/0 is never formed.
 * Cost: 2·(D + Dv) flop a visible pair; scratch of two rows, no Lq × Lk array.
 */
import type { Tensor } from "../../tensor/index.js";
import { dropoutKeepsKey, dropoutRow, dropoutThreshold } from "../dropout.js";
import type { AttentionCall, AttentionResult } from "../kernel.js";
import { keyHeadOf, outputHeads, outputShape, rowStart } from "../layout.js";
import { type Allocate, zeros } from "./allocate.js";
import { rowReader, type ScoredCall, softmaxInPlace } from "./scores.js";

export function attention(empty: Allocate, call: AttentionCall): AttentionResult {
  const { batch, heads, keyHeads, queries, valueDim: Dv } = call;
  const output = empty(outputShape(call)); // [B, H, Lq, Dv] or [B, Lq, H·Dv]
  const lse = empty([batch, heads, queries]);
  const read = rowReader(call);
  const drop = dropper(call);
  const o = new Float64Array(Dv);
  const to = outputHeads(call, output);
  const [out, lses, vs, sinks] = [output.data, lse.data, call.v.tensor.data, call.sinks?.data];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const vHead = keyHeadOf(h, heads, keyHeads);
      for (let i = 0; i < queries; i++) {
        const row = read(b, h, i);
        lses[(b * heads + h) * queries + i] = softmaxInPlace(row, sinks?.[h]);
        const keep = drop(b, h, i);
        o.fill(0);
        for (let n = 0; n < row.count; n++) {
          const j = row.keys[n];
          const kept = keep(j);
          if (kept === 0) continue; // dropped: the weight is exactly 0
          const p = row.scores[n] * kept;
          const v = rowStart(call.v, b, vHead, j);
          for (let d = 0; d < Dv; d++) o[d] += p * vs[v + d];
        }
        out.set(o, rowStart(to, b, h, i));
      }
    }
  }
  return { output, lse };
}

/** For a row, the factor on the weight of key j: 0 when it drops, 1/(1 − rate) when it stays, 1 without dropout. */
export function dropper(call: ScoredCall): (b: number, h: number, i: number) => (j: number) => number {
  if (!call.dropout || call.dropout.rate === 0) return () => () => 1;
  const { rate, seed } = call.dropout;
  const threshold = dropoutThreshold(rate);
  const stays = 1 / (1 - rate);
  return (b, h, i) => {
    const row = dropoutRow(seed, b, h, i);
    return (j) => (dropoutKeepsKey(row, j, threshold) ? stays : 0);
  };
}

/** The map itself, or the part asked for: P before dropout, [B, H, rows, columns]; masked pairs are exactly 0. */
export function attentionWeights(
  empty: Allocate,
  call: ScoredCall,
  [firstRow, endRow]: readonly [number, number],
  [firstColumn, endColumn]: readonly [number, number],
  lse?: Tensor,
): Tensor {
  const { batch, heads, queries } = call;
  const width = endColumn - firstColumn;
  const weights = zeros(empty, [batch, heads, endRow - firstRow, width]);
  const read = rowReader(call);
  const [out, sinks, lses] = [weights.data, call.sinks?.data, lse?.data];
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = firstRow; i < endRow; i++, at += width) {
        if (lses) {
          const row = read(b, h, i, firstColumn, endColumn); // only the keys asked for
          const total = lses[(b * heads + h) * queries + i];
          for (let n = 0; n < row.count; n++) out[at + row.keys[n] - firstColumn] = Math.exp(row.scores[n] - total);
        } else {
          const row = read(b, h, i);
          softmaxInPlace(row, sinks?.[h]);
          for (let n = 0; n < row.count; n++) {
            const j = row.keys[n];
            if (j >= firstColumn && j < endColumn) out[at + j - firstColumn] = row.scores[n];
          }
        }
      }
    }
  }
  return weights;
}
