/** @file Functions of one number and of two, element by element, and their slopes. */
import { broadcastShapes, broadcastStrides, sizeOf, type Tensor } from "../../tensor/index.js";
import type { Activation, Binary, Unary } from "../kernel.js";
import { checkSame } from "../shapes.js";
import type { Allocate } from "./allocate.js";
import { erf } from "./erf.js";

/** √(2/π), of the tanh form of GELU. Hendrycks & Gimpel 2016 (arXiv:1606.08415) §2. */
const TANH_FORM = Math.sqrt(2 / Math.PI);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** Φ, the normal distribution function. */
const normal = (x: number): number => 0.5 * (1 + erf(x * Math.SQRT1_2));
const inner = (x: number): number => TANH_FORM * (x + 0.044715 * x ** 3);

/** f(x), one line a function. */
export const functions: Record<Unary, (x: number) => number> = {
  relu: (x) => Math.max(x, 0), // NaN passes
  gelu: (x) => x * normal(x),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(inner(x))),
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
  sigmoid,
  erf,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  square: (x) => x * x,
  negate: (x) => -x,
  reciprocal: (x) => 1 / x,
  cos: Math.cos,
  sin: Math.sin,
  abs: Math.abs,
};

/** f′(x). At the corner of relu and abs it is 0, as in torch. */
export const derivatives: Record<Unary, (x: number) => number> = {
  relu: (x) => (x > 0 ? 1 : 0),
  gelu: (x) => normal(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  geluTanh: (x) => {
    const t = Math.tanh(inner(x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * TANH_FORM * (1 + 3 * 0.044715 * x * x);
  },
  silu: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  tanh: (x) => 1 - Math.tanh(x) ** 2,
  sigmoid: (x) => sigmoid(x) * (1 - sigmoid(x)),
  erf: (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
  exp: Math.exp,
  log: (x) => 1 / x,
  sqrt: (x) => 0.5 / Math.sqrt(x),
  rsqrt: (x) => -0.5 / (x * Math.sqrt(x)),
  square: (x) => 2 * x,
  negate: () => -1,
  reciprocal: (x) => -1 / (x * x),
  cos: (x) => -Math.sin(x),
  sin: Math.cos,
  abs: (x) => Math.sign(x),
};

export function unary(empty: Allocate, kind: Unary, x: Tensor): Tensor {
  const y = empty(x.shape);
  const [from, to, f] = [x.data, y.data, functions[kind]];
  for (let n = 0; n < to.length; n++) to[n] = f(from[n]);
  return y;
}

export function unaryBackward(empty: Allocate, kind: Unary, x: Tensor, dy: Tensor): Tensor {
  checkSame(`${kind} backward`, "dy", dy, x);
  const dx = empty(x.shape);
  const [from, slope, to, f] = [x.data, dy.data, dx.data, derivatives[kind]];
  for (let n = 0; n < to.length; n++) to[n] = slope[n] * f(from[n]);
  return dx;
}

export function affine(empty: Allocate, x: Tensor, factor: number, shift = 0): Tensor {
  const y = empty(x.shape);
  const [from, to] = [x.data, y.data];
  for (let n = 0; n < to.length; n++) to[n] = from[n] * factor + shift;
  return y;
}

/** An activation in place, on a row of sums. */
export function activate(kind: Activation, row: Float64Array): void {
  const f = functions[kind];
  for (let n = 0; n < row.length; n++) row[n] = f(row[n]);
}

type Numbers = Float32Array;
/** n results from `o` on; a from `i` on in steps of sa, b from `j` on in steps of sb (0: one number for all). */
type Run = (
  out: Numbers,
  o: number,
  a: Numbers,
  i: number,
  sa: number,
  b: Numbers,
  j: number,
  sb: number,
  n: number,
) => void;

/** A plain loop each, so that the engine compiles five tight loops and not one that calls a function per number. */
const runs: Record<Binary, Run> = {
  add(out, o, a, i, sa, b, j, sb, n) {
    for (let end = o + n; o < end; o++, i += sa, j += sb) out[o] = a[i] + b[j];
  },
  subtract(out, o, a, i, sa, b, j, sb, n) {
    for (let end = o + n; o < end; o++, i += sa, j += sb) out[o] = a[i] - b[j];
  },
  multiply(out, o, a, i, sa, b, j, sb, n) {
    for (let end = o + n; o < end; o++, i += sa, j += sb) out[o] = a[i] * b[j];
  },
  divide(out, o, a, i, sa, b, j, sb, n) {
    for (let end = o + n; o < end; o++, i += sa, j += sb) out[o] = a[i] / b[j];
  },
  maximum(out, o, a, i, sa, b, j, sb, n) {
    for (let end = o + n; o < end; o++, i += sa, j += sb) out[o] = Math.max(a[i], b[j]);
  },
};

export function binary(empty: Allocate, kind: Binary, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes(a.shape, b.shape, kind);
  const y = empty(shape);
  const walk = mergeAxes(shape, [
    broadcastStrides(a.shape, shape, kind, "a"),
    broadcastStrides(b.shape, shape, kind, "b"),
  ]);
  const [out, as, bs, run] = [y.data, a.data, b.data, runs[kind]];
  forEachRun(walk, (o, [i, j], n, [sa, sb]) => run(out, o, as, i, sa, bs, j, sb, n));
  return y;
}

/** Axes of a contiguous result and the strides with which each operand is read along them. */
export interface Walk {
  shape: number[];
  strides: number[][];
}

/** Joins neighbouring axes that every operand steps through evenly, so that the innermost run is as long as can be. */
export function mergeAxes(shape: readonly number[], strides: readonly (readonly number[])[]): Walk {
  const out: Walk = { shape: [], strides: strides.map(() => []) };
  for (let axis = 0; axis < shape.length; axis++) {
    const last = out.shape.length - 1;
    if (shape[axis] === 1) continue;
    if (last >= 0 && strides.every((s, x) => out.strides[x][last] === s[axis] * shape[axis])) {
      out.shape[last] *= shape[axis];
      strides.forEach((s, x) => void (out.strides[x][last] = s[axis]));
    } else {
      out.shape.push(shape[axis]);
      strides.forEach((s, x) => void out.strides[x].push(s[axis]));
    }
  }
  return out;
}

/** Visits the innermost runs in the order of the result: where it stands, where each operand stands, its length, the steps. */
export function forEachRun(
  { shape, strides }: Walk,
  visit: (o: number, at: readonly number[], n: number, steps: readonly number[]) => void,
): void {
  const outer = shape.slice(0, -1);
  const n = shape.at(-1) ?? 1;
  const steps = strides.map((s) => s.at(-1) ?? 0);
  const at = strides.map(() => 0);
  const index = outer.map(() => 0);
  const total = n === 0 ? 0 : sizeOf(outer);
  for (let run = 0; run < total; run++) {
    visit(run * n, at, n, steps);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      index[axis]++;
      for (let x = 0; x < at.length; x++) at[x] += strides[x][axis];
      if (index[axis] < outer[axis]) break;
      for (let x = 0; x < at.length; x++) at[x] -= strides[x][axis] * outer[axis];
      index[axis] = 0;
    }
  }
}
