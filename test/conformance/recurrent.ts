/** @file Recurrent layers, forward and backward, for any kernel. */
import { describe, expect, test } from "vitest";
import type { Cell, Kernel, RecurrentCall } from "../../src/kernels/kernel.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { type Case, conforms } from "./compare.js";
import { normal } from "./numbers.js";

const CELLS: readonly (readonly [Cell, gates: number])[] = [
  ["tanh", 1],
  ["relu", 1],
  ["lstm", 4],
  ["gru", 3],
];
/** B, L, H: one of everything, sizes that fill no vector, more rows than a product takes one by one, nothing at all. */
const SIZES = [
  [1, 1, 1],
  [3, 4, 7],
  [2, 5, 8],
  [13, 3, 19],
  [0, 3, 5],
  [2, 0, 5],
] as const;

export function recurrentConforms(kernel: Kernel): void {
  describe("recurrent", () => {
    for (const [cell, G] of CELLS) {
      for (const [B, L, H] of SIZES) {
        const weight = normal(2, [G * H, H], 0.3);
        // Small, so that tanh is not at its end: from there its slope 1 − y² is what rounding left of y.
        const inputs = [[B, L, G * H], [G * H], [B, H], [B, H]].map((shape, n) => normal(3 + n, shape, 0.3));
        inputs.splice(1, 0, weight);
        const steps = 4 * (L + 1) * (H + 8);
        for (const reversed of [false, true]) {
          const name = `${cell}, ${B} × ${L} × ${H}${reversed ? ", reversed" : ""}`;
          test(name, () => conforms(kernel, { steps, inputs, run: forward(cell, reversed) }));
          const slopes = [normal(6, [B, L, H]), normal(7, [B, L, H])];
          test(`${name}, backward`, () =>
            conforms(kernel, { steps, inputs: [...inputs, ...slopes], run: backward(cell, reversed) }));
        }
      }
    }

    test("a packed weight computes what its numbers do, without bias too", () => {
      const [inputs, weight, h] = [normal(1, [3, 4, 20]), normal(2, [20, 5], 0.5), normal(3, [3, 5])];
      for (const format of ["f32", "bf16"] as const) {
        const packed = kernel.pack(weight, format);
        const plain = tensor(Float32Array.from(kernel.unpack(packed).data), [20, 5]);
        const call = { cell: "lstm", inputs, h, c: h } as const;
        const [got, want] = [packed, plain].map((w) => kernel.recurrent({ ...call, weight: w }).output);
        got.data.forEach((x, n) => expect(x).toBeCloseTo(want.data[n], 6));
        kernel.free(packed);
      }
    });

    test("NaN and ∞ reach the states that the reference says", () => {
      for (const [cell, G] of CELLS) {
        const H = 5;
        const x = normal(1, [2, 3, G * H]);
        x.data.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30], G * H); // text 0, step 1
        const weight = normal(2, [G * H, H], 0.5);
        const inputs = [x, weight, normal(3, [G * H]), normal(4, [2, H]), normal(5, [2, H])];
        conforms(kernel, { steps: 200, inputs, run: forward(cell, false) });
      }
    });

    test("a state of another size is refused", () =>
      expect(() =>
        kernel.recurrent({
          cell: "gru",
          inputs: normal(1, [2, 3, 12]),
          weight: normal(2, [12, 4]),
          h: normal(3, [2, 5]),
        }),
      ).toThrow("recurrent: inputs has shape [2, 3, 12]; expected [2, 3, 15], for h [2, 5] and 3 gates."));
  });
}

const callOf = (cell: Cell, reversed: boolean, [inputs, weight, bias, h, c]: readonly Tensor[]): RecurrentCall => ({
  cell,
  inputs,
  weight,
  bias,
  h,
  ...(cell === "lstm" && { c }),
  reversed,
});

const forward =
  (cell: Cell, reversed: boolean): Case["run"] =>
  (kernel, inputs) => {
    const { output, cells } = kernel.recurrent(callOf(cell, reversed, inputs));
    return cells ? [output, cells] : [output];
  };

/** Slopes from output alone, from cells alone, and from both. */
const backward =
  (cell: Cell, reversed: boolean): Case["run"] =>
  (kernel, inputs) => {
    const call = callOf(cell, reversed, inputs);
    const saved = kernel.recurrent(call);
    const [dOutput, dCells] = inputs.slice(-2);
    const asked = cell === "lstm" ? [[dOutput], [undefined, dCells], [dOutput, dCells]] : [[dOutput]];
    return asked.flatMap(([one, other]) => {
      const { dInputs, dWeight, dBias, dH, dC } = kernel.recurrentBackward(call, saved, one, other);
      return [dInputs, dWeight, dBias, dH, ...(dC ? [dC] : [])];
    });
  };
