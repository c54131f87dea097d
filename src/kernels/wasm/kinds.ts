/** @file Kinds of element-wise functions as the kernel numbers them: assembly/elementwise.ts. */
import type { Binary, Unary } from "../kernel.js";

const UNARY: Record<Unary, number> = {
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
  log: 15,
  cos: 16,
  sin: 17,
};

const BINARY: Record<Binary, number> = { add: 0, subtract: 1, multiply: 2, divide: 3, maximum: 4 };

export function kindOf(kind: Unary): number {
  return UNARY[kind];
}

export function binaryKindOf(kind: Binary): number {
  return BINARY[kind];
}
