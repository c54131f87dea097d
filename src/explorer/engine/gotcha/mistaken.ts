/** @file A mistake made in every attention of a model, so that what becomes of the next word is measured and not told. */
import type { AttentionListener } from "../../../attention/index.js";
import type { AttentionCall } from "../../../kernels/kernel.js";
import { tensor } from "../../../tensor/index.js";
import { keyHead, row, splitRow } from "./formulas.js";
import type { Gotcha } from "./list.js";

/** A listener that makes every attention of a run make the mistake. */
export function mistaken(gotcha: Gotcha): AttentionListener {
  return {
    after(_site, c, result) {
      const out = result.output.data.slice();
      const merged = c.outputLayout === "merged";
      const at = (b: number, h: number, i: number): number =>
        c.valueDim * (merged ? (b * c.queries + i) * c.heads + h : (b * c.heads + h) * c.queries + i);
      const v = c.v.tensor.data;
      for (let b = 0; b < c.batch; b++) {
        for (let h = 0; h < c.heads && gotcha.weights; h++) {
          const w = gotcha.weights(c, b, h);
          for (let i = 0; i < c.queries; i++) {
            const to = at(b, h, i);
            out.fill(0, to, to + c.valueDim);
            for (let j = 0; j < c.keys; j++) {
              const weight = w[i * c.keys + j]!;
              const from = (gotcha.split ? splitRow : row)(c.v, b, keyHead(c, h), j, c.keyHeads, c.keys);
              for (let d = 0; weight !== 0 && d < c.valueDim; d++) out[to + d]! += weight * v[from + d]!;
            }
          }
        }
        if (gotcha.scrambled) scramble(out, c, b, merged);
      }
      return { ...result, output: tensor(out, result.output.shape) };
    },
  };
}

/** [H, L, D] read as if it were [L, H, D]. */
function scramble(out: Float32Array, c: AttentionCall, b: number, merged: boolean): void {
  const size = c.queries * c.heads * c.valueDim;
  const part = out.subarray(b * size, (b + 1) * size);
  const from = part.slice();
  const D = c.valueDim;
  for (let n = 0; n < c.queries * c.heads; n++) {
    // Slot n of the merged row order gets head ⌊n/L⌋'s row n mod L, instead of head n mod H's row ⌊n/H⌋.
    const [h, i] = [Math.floor(n / c.queries), n % c.queries];
    const [toRow, toHead] = [Math.floor(n / c.heads), n % c.heads];
    const source = merged ? (i * c.heads + h) * D : n * D;
    const target = merged ? n * D : (toHead * c.queries + toRow) * D;
    part.set(from.subarray(source, source + D), target);
  }
}
