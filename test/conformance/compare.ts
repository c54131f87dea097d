/**
 * @file How far a float32 result may be from the float64 reference, and what a failure says.
 *
 * A plain float32 loop of n roundings gives the exact result of inputs moved by about √n·ε (a random walk, ε = 2⁻²⁴;
 * Higham, Accuracy and Stability, §2.8). What such a move does to this result is measured: the reference runs on inputs
 * moved by ±ε at random. A maker may be off by twice √n times that, and by four roundings of the largest number.
 */
import { expect } from "vitest";
import type { Kernel } from "../../src/kernels/kernel.js";
import { float64Tensor } from "../../src/kernels/reference/allocate.js";
import { referenceKernel } from "../../src/kernels/reference/reference-kernel.js";
import { stridesOf, type Tensor } from "../../src/tensor/index.js";
import { generator } from "./numbers.js";

const EPSILON = 2 ** -24;
const DRAWS = 2;

/** One operation on some float32 inputs. */
export interface Case {
  /** How many roundings stand in a row behind each number of the result: the length of the sum. */
  steps: number;
  inputs: readonly Tensor[];
  run(kernel: Kernel, inputs: readonly Tensor[]): readonly Tensor[];
}

export const reference = referenceKernel({ precision: "float64" });

function moved(x: Tensor, next: () => number): Tensor {
  return float64Tensor(
    Float64Array.from(x.data, (n) => n * (1 + (next() < 0.5 ? -EPSILON : EPSILON))),
    x.shape,
  );
}

/** The float64 results and, for each, how far a float32 result may be from it. */
function wanted({ steps, inputs, run }: Case): { want: readonly Tensor[]; tolerance: number[] } {
  const want = run(reference, inputs);
  const next = generator(1729);
  const change = want.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) {
    run(
      reference,
      inputs.map((x) => moved(x, next)),
    ).forEach((y, n) => {
      change[n] = Math.max(
        change[n],
        largest(y.data, (v, at) => v - want[n].data[at]),
      );
    });
  }
  const tolerance = want.map((w, n) => 2 * Math.sqrt(steps) * change[n] + 4 * EPSILON * largest(w.data, (v) => v));
  return { want, tolerance };
}

function largest(data: Float32Array, of: (v: number, at: number) => number): number {
  let most = 0;
  for (let n = 0; n < data.length; n++) {
    const size = Math.abs(of(data[n], n));
    if (size > most && size < 3.4e38) most = size;
  }
  return most;
}

/** Runs a case on a kernel, in and outside of a scope, and compares; arguments must stay as they were. */
export function conforms(kernel: Kernel, test: Case): void {
  const { want, tolerance } = wanted(test);
  const before = test.inputs.map((x) => x.data.slice());
  const outside = test.run(kernel, test.inputs);
  expectClose(outside, want, tolerance);
  const inside = kernel.scope(() =>
    test.run(kernel, test.inputs).map((y) => ({ shape: y.shape, data: y.data.slice() })),
  );
  expectClose(inside, want, tolerance);
  test.inputs.forEach((x, n) => expect(x.data, `input ${n} was changed`).toEqual(before[n]));
}

type Numbers = { shape: readonly number[]; data: ArrayLike<number> };

export function expectClose(got: readonly Numbers[], want: readonly Numbers[], tolerance: readonly number[]): void {
  expect(got.length).toBe(want.length);
  got.forEach((g, n) => {
    expect(g.shape, `shape of result ${n}`).toEqual(want[n].shape);
    const message = firstDifference(g, want[n], tolerance[n]);
    if (message) expect.fail(`result ${n} ${message}`);
  });
}

/** "[1, 2, 4, 6]: got 0.131204, want 0, |Δ| 1.3e-1 > 6.0e-7; 21 of 49 are off", or nothing. */
export function firstDifference(got: Numbers, want: Numbers, tolerance: number): string | undefined {
  let [off, first] = [0, -1];
  for (let n = 0; n < want.data.length; n++) {
    if (same(got.data[n], want.data[n], tolerance)) continue;
    off++;
    if (first < 0) first = n;
  }
  if (first < 0) return undefined;
  const place = stridesOf(want.shape).map((s, axis) => Math.floor(first / s) % want.shape[axis]);
  const [g, w] = [got.data[first], want.data[first]];
  const delta = Math.abs(g - w).toExponential(1);
  return `[${place.join(", ")}]: got ${g}, want ${w}, |Δ| ${delta} > ${tolerance.toExponential(1)}; ${off} of ${want.data.length} are off`;
}

function same(got: number, want: number, tolerance: number): boolean {
  if (Number.isNaN(want)) return Number.isNaN(got);
  const stored = Math.fround(want);
  if (!Number.isFinite(stored)) return got === stored || got === want;
  return Math.abs(got - want) <= tolerance || got === want;
}
