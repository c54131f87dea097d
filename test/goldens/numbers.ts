/** @file Numbers of a golden file in their own precision, and a comparison that says where and how far. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { float64Tensor } from "../../src/kernels/reference/allocate.js";
import { readSafetensors, type Tensor } from "../../src/tensor/index.js";
import { firstDifference } from "../conformance/compare.js";

export interface Golden {
  names: string[];
  has(name: string): boolean;
  /** As the file has it, float64 kept. */
  exact(name: string): Tensor;
  /** Rounded to float32. */
  float32(name: string): Tensor;
  /** Bytes or integers. */
  raw(name: string): { data: ArrayLike<number | bigint>; shape: number[] };
}

export function readGolden(file: string): Golden {
  const st = readSafetensors(readFileSync(file), file);
  return {
    names: st.names,
    has: (name) => st.names.includes(name),
    exact: (name) => {
      const { type, data, shape } = st.raw(name);
      return type === "F64" ? float64Tensor(data as Float64Array, shape) : st.tensor(name);
    },
    float32: (name) => st.tensor(name),
    raw: (name) => st.raw(name),
  };
}

/** Fails with "[b, h, i, j]: got …, want …, |Δ| … > …; n of m are off". */
export function expectWithin(got: Tensor, want: Tensor, tolerance: number, what: string): void {
  expect(got.shape, `shape of ${what}`).toEqual(want.shape);
  const message = firstDifference(got, want, tolerance);
  if (message) expect.fail(`${what} ${message}`);
}
