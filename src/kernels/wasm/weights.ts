/**
 * @file Weights laid out once for the product: panels of NR columns, in float32 or a shorter format.
 *
 * Short formats save memory (a half or a quarter of the bytes) and, when one row is multiplied at a time, bandwidth: see
 * assembly/short.ts for how they lie and assembly/few-rows.ts for how they are read. For many rows they are expanded to
 * float32 panel part by panel part, just before the register tile reads them: exactly the product with the rounded weight.
 */
import { bfloat16FromBits, float16FromBits } from "../../tensor/half.js";
import type { Tensor } from "../../tensor/index.js";
import type { PackedWeight, WeightFormat, WeightRows } from "../kernel.js";
import { checkIds } from "../shapes.js";
import { runEach } from "./each.js";
import { KernelStorage } from "./memory.js";
import type { Workspace } from "./workspace.js";

/** Formats as assembly/short.ts numbers them. */
export const FORMATS: readonly WeightFormat[] = ["f32", "bf16", "f16", "int8"];
const BYTES: Record<WeightFormat, number> = { f32: 4, bf16: 2, f16: 2, int8: 1 };

/** Numbers packed at a time: 1 MB in float32, so that every pass over them after the first finds them in the cache. */
const PART = 2 ** 18;

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
      const short = format === "f32" ? 0 : w.temporary(packedLength(w, K, rows) * 4); // before views: memory may move
      const part = partOf(w, weight, n, rows, format === "int8");
      if (format === "int8") divide(w, part, K, rows, storage.address + panels + 4 * n);
      packInto(w, part, 1, K, K, rows, short || to);
      if (short && !shorten(w, short, K, rows, format, to)) packed.finite = false;
    });
  }
  return packed;
}

/** Address of rows [n, n + count) of a weight: where they lie, or a copy, which may be overwritten. */
function partOf(w: Workspace, weight: Tensor | WeightRows, n: number, count: number, isOverwritten: boolean): number {
  const K = weight.shape[1]!;
  if (!("read" in weight) && !isOverwritten) {
    const { storage } = weight;
    const isHere = storage instanceof KernelStorage && storage.memory === w.memory && storage.address >= 0;
    if (isHere) return storage.address + n * K * 4;
  }
  const address = w.temporary(count * K * 4);
  const part = w.memory.floats.subarray(address / 4, address / 4 + count * K);
  if ("read" in weight) weight.read(n, n + count, part);
  else part.set(weight.data.subarray(n * K, (n + count) * K));
  return address;
}

/** int8: rows over their scales, max |w| / 127 as in the reference; what is left are whole numbers. */
function divide(w: Workspace, rows: number, K: number, N: number, scalesAt: number): void {
  const { floats } = w.memory;
  for (let n = 0, at = rows / 4; n < N; n++, at += K) {
    let most = 0;
    for (let k = at; k < at + K && !Number.isNaN(most); k++) {
      const size = Math.abs(floats[k]!);
      if (!(size <= most)) most = size;
    }
    const scale = Math.fround(most / 127);
    floats[scalesAt / 4 + n] = scale;
    if (scale === 0) floats.fill(0, at, at + K);
    else for (let k = at; k < at + K; k++) floats[k] = Math.floor(floats[k]! / scale + 0.5); // half as Math.round, quicker
  }
}

/** From float32 panels [K, NR] to panels of a short format; whether an f16 result is free of ∞ and NaN. */
function shorten(w: Workspace, from: number, K: number, N: number, format: WeightFormat, to: number): boolean {
  const { NR } = w;
  const places = Int32Array.from({ length: 2 * NR }, (_, i) => place(format, NR, Math.floor(i / NR), i % NR)); // of two steps
  const length = packedLength(w, K, N, format);
  const { buffer } = w.memory.memory;
  if (format === "int8") {
    const out = new Int8Array(buffer, to, length);
    if (K % 2 === 1) out.fill(0);
    const { floats } = w.memory;
    eachPair(K, N, NR, K + (K % 2), (read, write, count) => {
      for (let i = 0; i < count; i++) out[write + places[i]!] = floats[from / 4 + read + i]!;
    });
    return true;
  }
  const out = new Uint16Array(buffer, to, length);
  const words = w.memory.words.subarray(from / 4, from / 4 + length);
  let finite = true;
  if (format === "bf16") {
    eachPair(K, N, NR, K, (read, write, count) => {
      for (let i = 0; i < count; i++) out[write + places[i]!] = bfloat16FromBits(words[read + i]!);
    });
  } else {
    eachPair(K, N, NR, K, (read, write, count) => {
      for (let i = 0; i < count; i++) {
        const bits = float16FromBits(words[read + i]!);
        if ((bits & 0x7c00) === 0x7c00) finite = false;
        out[write + places[i]!] = bits;
      }
    });
  }
  return finite;
}

/** Two steps of a panel at a time, since formats interleave at most two: where they are read, written, and how many numbers. */
function eachPair(
  K: number,
  N: number,
  NR: number,
  steps: number,
  pair: (read: number, write: number, count: number) => void,
): void {
  for (let p = 0; p * NR < N; p++) {
    for (let k = 0; k < K; k += 2) pair((p * K + k) * NR, (p * steps + k) * NR, Math.min(2, K - k) * NR);
  }
}

/** The weight back as [N, K], rounded as its format rounds. */
export function unpackWeight(w: Workspace, weight: WasmWeight): Tensor {
  return unpackRows(
    w,
    weight,
    Int32Array.from({ length: weight.rows }, (_, n) => n),
  );
}

/** Rows of the weight, [ids.length, K]. Cost: the numbers asked for. */
export function unpackRows(w: Workspace, weight: WasmWeight, ids: Int32Array): Tensor {
  const { rows, columns, format, storage, scaleAddress } = weight;
  checkIds("unpackRows", "ids", ids, rows);
  return w.operation(() => {
    const out = w.empty([ids.length, columns]); // outside of every scope an ordinary array
    const isHere = out.storage instanceof KernelStorage;
    const y = isHere ? w.operand(out) : w.temporary(out.size * 4);
    const at = w.words(ids);
    const c = w.call("EachArgs");
    c.a = storage.address;
    c.b = at;
    c.c = scaleAddress;
    c.kind = FORMATS.indexOf(format);
    c.y = y;
    runEach(w, c, "unpackRows", ids.length, columns);
    if (!isHere) out.data.set(w.memory.floats.subarray(y / 4, y / 4 + out.size));
    return out;
  });
}
