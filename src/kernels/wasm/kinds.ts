/** @file Kinds of element-wise functions as the kernel numbers them: assembly/elementwise.ts. */
import type { Binary, Unary } from "../kernel.js";

const UNARY: Partial<Record<Unary, number>> = {
  relu: 1,
  gelu: 2,
  geluTanh: 3,
  silu: 4,
  tanh: 5,
  sigmoid: 6,
  erf: 7,
  exp: 8,
  sqrt: 9,
  rsqrt: 10,
  square: 11,
  negate: 12,
  reciprocal: 13,
  abs: 14,
};

/** Functions whose slope the kernel knows from x alone, without a division by 0 to mind. */
const SLOPES: ReadonlySet<Unary> = new Set([
  "relu",
  "gelu",
  "geluTanh",
  "silu",
  "tanh",
  "sigmoid",
  "exp",
  "square",
  "negate",
]);

const BINARY: Record<Binary, number> = { add: 0, subtract: 1, multiply: 2, divide: 3, maximum: 4 };

/** Undefined where the reference does it: log, cos and sin, which no inner loop needs. */
export function kindOf(kind: Unary): number | undefined {
  return UNARY[kind];
}

export function slopeKindOf(kind: Unary): number | undefined {
  return SLOPES.has(kind) ? UNARY[kind] : undefined;
}

export function binaryKindOf(kind: Binary): number {
  return BINARY[kind];
}
