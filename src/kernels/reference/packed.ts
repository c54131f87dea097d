/** @file Weights in their storage forms. The reference computes with what the form can hold, kept as plain numbers. */
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  type Tensor,
} from "../../tensor/index.js";
import type { PackedWeight, WeightFormat, WeightRows } from "../kernel.js";
import type { Allocate } from "./allocate.js";

export interface ReferenceWeight extends PackedWeight {
  readonly values: Tensor; // [N, K], rounded as the format rounds
}

const BYTES: Record<WeightFormat, number> = { f32: 4, bf16: 2, f16: 2, int8: 1 };

export function pack(empty: Allocate, weight: Tensor | WeightRows, format: WeightFormat): ReferenceWeight {
  const [rows, columns] = weight.shape as [number, number];
  const values = empty([rows, columns]);
  const to = values.data;
  const row = new Float32Array(columns);
  for (let r = 0; r < rows; r++) {
    if ("read" in weight) weight.read(r, r + 1, row);
    else row.set(weight.data.subarray(r * columns, (r + 1) * columns));
    to.set(roundRow(row, format), r * columns);
  }
  const bytes = rows * columns * BYTES[format] + (format === "int8" ? rows * 4 : 0);
  return { kind: "packed", rows, columns, format, bytes, values };
}

/** What is left of a row in a format. int8: whole numbers −127…127 times one scale, max |w| / 127. */
export function roundRow(row: Float32Array, format: WeightFormat): ArrayLike<number> {
  if (format === "bf16") return bfloat16ToFloat32(float32ToBfloat16(row));
  if (format === "f16") return float16ToFloat32(float32ToFloat16(row));
  if (format === "f32") return row;
  const scale = Math.fround(row.reduce((m, w) => Math.max(m, Math.abs(w)), 0) / 127);
  return row.map((w) => (scale === 0 ? 0 : Math.round(w / scale) * scale));
}
