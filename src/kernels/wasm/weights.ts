/**
 * @file Weights laid out once for the product: panels of NR columns, in float32 or a shorter format.
 *
 * Short formats are expanded to float32 panel part by panel part, just before the register tile reads them, so what is
 * computed is exactly the product with the rounded weight. They save memory (a half or a quarter of the bytes); bf16 and
 * int8 also save bandwidth when one row is multiplied at a time.
 */
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  type Tensor,
  tensor,
} from "../../tensor/index.js";
import type { PackedWeight, WeightFormat } from "../kernel.js";
import type { KernelStorage } from "./memory.js";
import type { Workspace } from "./workspace.js";

/** Formats as assembly/product.ts numbers them. */
export const FORMATS: readonly WeightFormat[] = ["f32", "bf16", "f16", "int8"];
const BYTES: Record<WeightFormat, number> = { f32: 4, bf16: 2, f16: 2, int8: 1 };

/** Numbers packed at a time: 8 MB in float32. */
const PART = 2 ** 21;

/** A weight in panels, in kernel memory: the panels, then for int8 a scale a row of the weight. */
export class WasmWeight implements PackedWeight {
  readonly kind = "packed";
  readonly rows: number;
  readonly columns: number;
  readonly format: WeightFormat;
  readonly storage: KernelStorage;
  private readonly panels: number; // bytes

  constructor(rows: number, columns: number, format: WeightFormat, storage: KernelStorage, panels: number) {
    this.rows = rows;
    this.columns = columns;
    this.format = format;
    this.storage = storage;
    this.panels = panels;
  }

  get bytes(): number {
    return this.storage.length * 4;
  }

  /** Where the scales lie; 0 for formats without. */
  get scaleAddress(): number {
    return this.format === "int8" ? this.storage.address + this.panels : 0;
  }
}

/** Numbers of a packed [K, N]: panels of NR columns, the last one filled up. */
export function packedLength(w: Workspace, K: number, N: number): number {
  return Math.ceil(N / w.NR) * w.NR * K;
}

/** Packs one [K, N] at `from`, where element (k, n) lies at from + 4·(k·stepK + n·stepN). */
export function packInto(
  w: Workspace,
  from: number,
  stepK: number,
  stepN: number,
  K: number,
  N: number,
  to: number,
): void {
  w.wasm.packPanels!(from, stepK * 4, stepN * 4, K, N, 0, Math.ceil(N / w.NR), to);
}

export function packWeight(
  w: Workspace,
  own: (length: number) => KernelStorage,
  weight: Tensor,
  format: WeightFormat,
): WasmWeight {
  const [N, K] = weight.shape as [number, number];
  const length = packedLength(w, K, N);
  const panels = Math.ceil((length * BYTES[format]) / 4) * 4;
  const scales = format === "int8" ? Math.ceil(N / w.NR) * w.NR : 0;
  const storage = own(panels / 4 + scales);
  // A large weight passes through in parts, so that its numbers are never in kernel memory a second time. One that is
  // there already is packed from where it lies.
  const isHere = weight.data.buffer === w.memory.memory.buffer;
  const step = isHere ? Math.max(N, 1) : Math.max(1, Math.floor(PART / (K * w.NR))) * w.NR;
  for (let n = 0; n < N; n += step) {
    const rows = Math.min(step, N - n);
    const part = rows === N ? weight : tensor(weight.data.subarray(n * K, (n + rows) * K), [rows, K]);
    const to = storage.address + n * K * BYTES[format];
    w.operation(() => {
      if (format === "f32") packInto(w, w.operand(part), 1, K, K, rows, to);
      else shorten(w, part, format, packedLength(w, K, rows), to, storage.address + panels + 4 * n);
    });
  }
  return new WasmWeight(N, K, format, storage, panels);
}

/** int8: a row's scale is max |w| / 127, as in the reference. */
function scaleOf(row: Float32Array): number {
  return Math.fround(row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127);
}

/** Packs in float32, for int8 after division by the scales, then writes each number in its short form. */
function shorten(
  w: Workspace,
  weight: Tensor,
  format: WeightFormat,
  length: number,
  to: number,
  scalesAt: number,
): void {
  const [N, K] = weight.shape as [number, number];
  let from = weight.data;
  if (format === "int8") {
    const whole = new Float32Array(N * K);
    for (let n = 0; n < N; n++) {
      const row = from.subarray(n * K, n * K + K);
      const scale = scaleOf(row);
      w.memory.floats[scalesAt / 4 + n] = scale;
      for (let k = 0; k < K; k++) whole[n * K + k] = scale === 0 ? 0 : Math.round(row[k]! / scale);
    }
    from = whole;
  }
  const packed = w.temporary(length * 4);
  packInto(w, w.floats(from), 1, K, K, N, packed);
  const values = w.memory.floats.subarray(packed / 4, packed / 4 + length);
  if (format === "int8") new Int8Array(w.memory.memory.buffer, to, length).set(values);
  else {
    const bits = format === "bf16" ? float32ToBfloat16(values) : float32ToFloat16(values);
    new Uint16Array(w.memory.memory.buffer, to, length).set(bits);
  }
}

/** The weight back as [N, K], rounded as its format rounds. */
export function unpackWeight(w: Workspace, out: Tensor, weight: WasmWeight): Tensor {
  return unpackRows(
    w,
    out,
    weight,
    Int32Array.from({ length: weight.rows }, (_, n) => n),
  );
}

/** Rows of the weight, [ids.length, K]. Cost: the numbers asked for. */
export function unpackRows(w: Workspace, out: Tensor, weight: WasmWeight, ids: Int32Array): Tensor {
  const { rows: N, columns: K, format, storage, scaleAddress } = weight;
  const { NR } = w;
  const buffer = w.memory.memory.buffer;
  const length = packedLength(w, K, N);
  const values =
    format === "f32"
      ? storage.array
      : format === "int8"
        ? new Int8Array(buffer, storage.address, length)
        : new Uint16Array(buffer, storage.address, length);
  const widen = format === "bf16" ? bfloat16ToFloat32 : format === "f16" ? float16ToFloat32 : undefined;
  const row = widen ? new Uint16Array(K) : new Float32Array(K);
  const to = out.data;
  for (let r = 0; r < ids.length; r++) {
    const n = ids[r]!;
    const panel = Math.floor(n / NR) * K * NR + (n % NR);
    const scale = scaleAddress ? w.memory.floats[scaleAddress / 4 + n]! : 1;
    for (let k = 0; k < K; k++) row[k] = values[panel + k * NR]! * scale;
    to.set(widen ? widen(row) : row, r * K);
  }
  return out;
}
