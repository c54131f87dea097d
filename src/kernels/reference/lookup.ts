/** @file Operations led by indices: rows of a table, their slope, and rotation by position. */
import { ShapeError, show, type Tensor } from "../../tensor/index.js";
import type { RotaryOptions } from "../kernel.js";
import { checkIds } from "../shapes.js";
import { type Allocate, rowsOf } from "./allocate.js";

export function gather(empty: Allocate, table: Tensor, ids: Int32Array): Tensor {
  const [V, N] = table.shape;
  checkIds("gather", "ids", ids, V);
  const y = empty([ids.length, N]);
  const [from, to] = [table.data, y.data];
  for (let r = 0; r < ids.length; r++) to.set(from.subarray(ids[r] * N, (ids[r] + 1) * N), r * N);
  return y;
}

/** The slope of gather: rows that were read twice receive twice. */
export function scatterAdd(empty: Allocate, dy: Tensor, ids: Int32Array, rows: number): Tensor {
  checkIds("scatterAdd", "ids", ids, rows);
  const N = dy.shape[1];
  const table = empty([rows, N]);
  const [from, to] = [dy.data, table.data];
  to.fill(0);
  for (let r = 0; r < ids.length; r++) {
    for (let n = 0; n < N; n++) to[ids[r] * N + n] += from[r * N + n];
  }
  return table;
}

/**
 * Turns each pair (a, b) of a row by the angle of its position: (a·cos − b·sin, a·sin + b·cos).
 * Su et al. 2021 (arXiv:2104.09864) eq. 34. The inverse is the same with −sin.
 */
export function rotary(
  empty: Allocate,
  x: Tensor,
  cos: Tensor,
  sin: Tensor,
  positions: Int32Array,
  options: RotaryOptions,
): Tensor {
  const { rows, length } = rowsOf(x);
  const dim = options.dim ?? length;
  const half = dim / 2;
  if (dim % 2 !== 0 || dim > length || cos.shape[1] !== half || show(sin.shape) !== show(cos.shape)) {
    throw new ShapeError({
      where: "rotary",
      argument: "cos, sin",
      got: `have shapes ${show(cos.shape)}, ${show(sin.shape)} for dim ${dim} of rows of ${length}`,
      expected: `[positions, ${dim}/2], dim even and at most ${length}`,
    });
  }
  if (positions.length !== rows) {
    throw new ShapeError({
      where: "rotary",
      argument: "positions",
      got: `has ${positions.length} numbers`,
      expected: `${rows}, one a row of x ${show(x.shape)}`,
    });
  }
  checkIds("rotary", "positions", positions, cos.shape[0]);
  const y = empty(x.shape);
  const [xs, ys, cs, ss] = [x.data, y.data, cos.data, sin.data];
  const [step, apart] = options.interleaved ? [2, 1] : [1, half]; // to the next pair; between its two numbers
  for (let r = 0, at = 0; r < rows; r++, at += length) {
    const angle = positions[r] * half;
    for (let p = 0; p < half; p++) {
      const first = at + p * step;
      const [a, b, c, s] = [xs[first], xs[first + apart], cs[angle + p], ss[angle + p]];
      ys[first] = a * c - b * s;
      ys[first + apart] = a * s + b * c;
    }
    for (let n = dim; n < length; n++) ys[at + n] = xs[at + n];
  }
  return y;
}
