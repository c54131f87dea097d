/**
 * @file Weights laid out once for the product: panels of NR columns, in float32 or a shorter format.
 *
 * Short formats save memory (a half or a quarter of the bytes) and, when one row is multiplied at a time, bandwidth: see
 * assembly/short.ts for how they lie and assembly/few-rows.ts for how they are read. For many rows they are expanded to
 * float32 panel part by panel part, just before the register tile reads them: exactly the product with the rounded weight.
 */
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  type Tensor,
} from "../../tensor/index.js";
import type { PackedWeight, WeightFormat, WeightRows } from "../kernel.js";
import { KernelStorage } from "./memory.js";
import type { Workspace } from "./workspace.js";

/** Formats as assembly/short.ts numbers them. */
export const FORMATS: readonly WeightFormat[] = ["f32", "bf16", "f16", "int8"];
const BYTES: Record<WeightFormat, number> = { f32: 4, bf16: 2, f16: 2, int8: 1 };

/** Numbers packed at a time: 4 MB in float32. */
const PART = 2 ** 20;

/** A weight in panels, in kernel memory: the panels, then for int8 a scale a row of the weight. */
export class WasmWeight implements PackedWeight {
  readonly kind = "packed";
  readonly rows: number;
  readonly columns: number;
  readonly format: WeightFormat;
  readonly storage: KernelStorage;
  /** Whether an f16 weight is free of ∞ and NaN; others always count as such. */
  finite = true;
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

/** Steps of a panel: int8 has an even number of them. */
const stepsOf = (format: WeightFormat, K: number): number => (format === "int8" ? K + (K % 2) : K);

/** Where number (step k, column c) of a panel lies in it, counted in numbers. */
function place(format: WeightFormat, NR: number, k: number, c: number): number {
  if (format === "f32") return k * NR + c;
  if (format === "int8") return (k >> 1) * 2 * NR + 2 * c + (k & 1);
  return k * NR + (c & 8) + 2 * (c & 3) + ((c >> 2) & 1);
}

/** Numbers of a packed [K, N]: panels of NR columns, the last one filled up. */
export function packedLength(w: Workspace, K: number, N: number, format: WeightFormat = "f32"): number {
  return Math.ceil(N / w.NR) * w.NR * stepsOf(format, K);
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

/**
 * @param weight  numbers, or rows that are read when they are wanted: a large weight passes through in parts, so that its
 *   numbers are never in memory a second time. One that lies in kernel memory is packed from there.
 */
export function packWeight(
  w: Workspace,
  own: (length: number) => KernelStorage,
  weight: Tensor | WeightRows,
  format: WeightFormat,
): WasmWeight {
  const [N, K] = weight.shape as [number, number];
  const panels = Math.ceil((packedLength(w, K, N, format) * BYTES[format]) / 4) * 4;
  const scales = format === "int8" ? Math.ceil(N / w.NR) * w.NR : 0;
  const storage = own(panels / 4 + scales);
  const packed = new WasmWeight(N, K, format, storage, panels);
  const step = Math.max(1, Math.floor(PART / (Math.max(K, 1) * w.NR))) * w.NR;
  for (let n = 0; n < N; n += step) {
    const rows = Math.min(step, N - n);
    const to = storage.address + n * stepsOf(format, K) * BYTES[format];
    w.operation(() => {
      const part = partOf(w, weight, n, rows);
      if (format === "f32") packInto(w, part, 1, K, K, rows, to);
      else packed.finite = shorten(w, part, K, rows, format, to, storage.address + panels + 4 * n) && packed.finite;
    });
  }
  return packed;
}

/** Address of rows [n, n + count) of a weight. */
function partOf(w: Workspace, weight: Tensor | WeightRows, n: number, count: number): number {
  const K = weight.shape[1]!;
  if ("read" in weight) return w.operand(weight.read(n, n + count));
  const { storage } = weight;
  const isHere = storage instanceof KernelStorage && storage.memory === w.memory && storage.address >= 0;
  return isHere ? storage.address + n * K * 4 : w.floats(weight.data.subarray(n * K, (n + count) * K));
}

/** Packs in float32, for int8 after division by the scales, then writes each number in its short form; whether all are finite. */
function shorten(
  w: Workspace,
  from: number,
  K: number,
  N: number,
  format: WeightFormat,
  to: number,
  scalesAt: number,
): boolean {
  const length = packedLength(w, K, N);
  const packed = w.temporary(length * 4);
  const rows = format === "int8" ? divided(w, from, K, N, scalesAt) : from;
  packInto(w, rows, 1, K, K, N, packed);
  const values = w.memory.floats.subarray(packed / 4, packed / 4 + length);
  const buffer = w.memory.memory.buffer;
  if (format === "int8") {
    const out = new Int8Array(buffer, to, packedLength(w, K, N, format));
    if (K % 2 === 1) out.fill(0);
    interleave(w, K, N, format, values, out);
    return true;
  }
  const bits = format === "bf16" ? float32ToBfloat16(values) : float32ToFloat16(values);
  interleave(w, K, N, format, bits, new Uint16Array(buffer, to, length));
  return format === "bf16" || bits.every((b) => (b & 0x7c00) !== 0x7c00);
}

/** From panels [K, NR] to the order of a short format. */
function interleave(
  { NR }: Workspace,
  K: number,
  N: number,
  format: WeightFormat,
  from: ArrayLike<number>,
  to: Uint16Array | Int8Array,
): void {
  const places = Array.from({ length: 2 * NR }, (_, i) => place(format, NR, Math.floor(i / NR), i % NR)); // of two steps
  const steps = stepsOf(format, K);
  for (let p = 0; p * NR < N; p++) {
    const [read, write] = [p * K * NR, p * steps * NR];
    for (let k = 0; k < K; k += 2) {
      const [at, out, count] = [read + k * NR, write + k * NR, Math.min(2, K - k) * NR];
      for (let i = 0; i < count; i++) to[out + places[i]!] = from[at + i]!;
    }
  }
}

/** int8: a row's scale is max |w| / 127, as in the reference. Rows over their scales, at the address returned. */
function divided(w: Workspace, from: number, K: number, N: number, scalesAt: number): number {
  const to = w.temporary(N * K * 4);
  const { floats } = w.memory;
  for (let n = 0; n < N; n++) {
    const row = floats.subarray(from / 4 + n * K, from / 4 + (n + 1) * K);
    let most = 0;
    for (let k = 0; k < K; k++) most = Math.max(most, Math.abs(row[k]!));
    const scale = Math.fround(most / 127);
    floats[scalesAt / 4 + n] = scale;
    for (let k = 0, at = to / 4 + n * K; k < K; k++) floats[at + k] = scale === 0 ? 0 : Math.round(row[k]! / scale);
  }
  return to;
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
  const length = packedLength(w, K, N, format);
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
    const panel = Math.floor(n / NR) * stepsOf(format, K) * NR;
    const scale = scaleAddress ? w.memory.floats[scaleAddress / 4 + n]! : 1;
    for (let k = 0; k < K; k++) row[k] = values[panel + place(format, NR, k, n % NR)]! * scale;
    to.set(widen ? widen(row) : row, r * K);
  }
  return out;
}
