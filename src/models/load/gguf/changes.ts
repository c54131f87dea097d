/**
 * @file What llama.cpp's converter does to a checkpoint's numbers, undone while they are read.
 *
 *     halves      rows 0, 2, 4 … then 1, 3, 5 … of each head: pairs of neighbours become pairs of halves (Llama)
 *     apart       rows q₀ q₁ … k₀ k₁ … v₀ v₁ … of heads become q₀ k₀ v₀ q₁ … (GPT-NeoX)
 *     minusOne    w − 1 of a norm that multiplies by w (Gemma)
 *     turned      [outputs, inputs] of a matrix that checkpoints hold as [inputs, outputs] (GPT-2)
 *
 * https://github.com/ggml-org/llama.cpp, conversion/*.py (MIT).
 */
import type { WeightRows } from "../../../kernels/kernel.js";
import { type Tensor, tensor } from "../../../tensor/index.js";
import { turn, turnedRows } from "../../conv1d.js";

/** Another form of a tensor's numbers, of all of them or of rows as they are wanted. */
export interface Change {
  tensor(x: Tensor): Tensor;
  rows(rows: WeightRows): WeightRows;
  /** What becomes of the shape; default nothing. */
  shape?(shape: readonly number[]): number[];
}

export const turned: Change = { tensor: turn, rows: turnedRows, shape: (shape) => [...shape].reverse() };

export const minusOne: Change = {
  tensor: (x) =>
    tensor(
      Float32Array.from(x.data, (w) => w - 1),
      x.shape,
    ),
  rows: ({ shape, read }) => ({
    shape,
    read(from, to, out) {
      read(from, to, out);
      for (let i = 0; i < out.length; i++) out[i]! -= 1;
    },
  }),
};

/** @param heads  how many there are in the matrix */
export function halves(heads: number): Change {
  return ordered((n, R) => {
    const D = R / heads;
    const i = n % D;
    return n - i + (i < D / 2 ? 2 * i : 2 * i - D + 1);
  });
}

export function apart(heads: number): Change {
  return ordered((n, R) => {
    const D = R / (3 * heads);
    const [head, part] = [Math.floor(n / (3 * D)), Math.floor(n / D) % 3];
    return (part * heads + head) * D + (n % D);
  });
}

/** @param source  where row n is in the file, of R in all */
function ordered(source: (n: number, R: number) => number): Change {
  return {
    tensor(x) {
      const [R, width] = [x.shape[0]!, x.size / x.shape[0]!];
      const out = new Float32Array(x.size);
      for (let n = 0; n < R; n++) {
        const from = source(n, R) * width;
        out.set(x.data.subarray(from, from + width), n * width);
      }
      return tensor(out, x.shape);
    },
    rows({ shape, read }) {
      const [R, width] = shape as [number, number];
      return {
        shape,
        read(from, to, out) {
          for (let n = from, at = 0; n < to; n++, at += width) {
            const row = source(n, R);
            read(row, row + 1, out.subarray(at, at + width));
          }
        },
      };
    },
  };
}
