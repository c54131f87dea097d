/**
 * @file safetensors: reading without trusting the file, and writing.
 *
 *     ┌──────────┬──────────────────────────────┬───────────────────────────────┐
 *     │ u64 n    │ n bytes of JSON              │ numbers, little-endian        │
 *     └──────────┴──────────────────────────────┴───────────────────────────────┘
 *     { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [from, to] }, …, "__metadata__": { text: text } }
 *
 * Offsets count from the end of the header. Nothing is allocated from a number the file states before that number is
 * held against the bytes that are there. Format: https://huggingface.co/docs/safetensors (Apache-2.0).
 */
import { FileError } from "./errors.js";
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from "./half.js";
import { sizeOf } from "./shape.js";
import { type Tensor, type TensorLike, tensor } from "./tensor.js";

/** Number forms a file may hold, with their width in bytes. */
const widths = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, U64: 8, I32: 4, U32: 4, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1,
} as const; // biome-ignore format: a table
export type SafetensorsType = keyof typeof widths;

/** Where one tensor lies. `offset` counts from the start of the file. */
export interface SafetensorsEntry {
  name: string;
  type: SafetensorsType;
  shape: number[];
  offset: number;
  bytes: number;
}

/** The header of a file, checked. */
export interface SafetensorsHeader {
  metadata: Record<string, string>;
  entries: Map<string, SafetensorsEntry>;
}

/** A file's tensors by name. */
export interface Safetensors {
  metadata: Record<string, string>;
  names: string[];
  /** As float32, whatever the file holds (integers and float64 are rounded to the nearest float32). */
  tensor(name: string): Tensor;
  /** In the file's own number form: Float64Array for F64, BigInt64Array for I64, Uint16Array of bits for F16 and BF16 … */
  raw(name: string): { type: SafetensorsType; shape: number[]; data: RawArray };
}
export type RawArray =
  | Float64Array | Float32Array | BigInt64Array | BigUint64Array | Int32Array | Uint32Array | Int16Array | Uint16Array
  | Int8Array | Uint8Array; // biome-ignore format: a list

/** Largest header taken: a hundred thousand tensors need about 15 MB. */
const headerLimit = 100 * 2 ** 20;

const refuse = (where: string, argument: string, got: string, expected?: string, fix?: string): never => {
  throw new FileError({ where, argument, got, ...(expected && { expected }), ...(fix && { fix }) });
};

/**
 * How long the JSON header is, from the first eight bytes.
 * @throws {FileError} when the length does not fit the file
 */
export function safetensorsHeaderLength(first8: Uint8Array, fileBytes: number, file = "the file"): number {
  const again = "the file is damaged or no safetensors file; fetch it again";
  if (fileBytes < 8 || first8.length < 8) refuse("safetensors", file, `has ${fileBytes} bytes`, "at least 8", again);
  const n = new DataView(first8.buffer, first8.byteOffset, 8).getBigUint64(0, true);
  if (n > BigInt(fileBytes - 8)) {
    refuse(
      "safetensors",
      file,
      `says its header has ${n} bytes but has ${fileBytes} bytes in all`,
      "a header within the file",
      again,
    );
  }
  if (n > BigInt(headerLimit)) {
    refuse("safetensors", file, `says its header has ${n} bytes`, `at most ${headerLimit}`, again);
  }
  return Number(n);
}

/**
 * Reads and checks a header.
 * @param json the header's bytes, without the length
 * @param fileBytes length of the whole file
 * @throws {FileError} naming the tensor whose type, shape or offsets cannot be
 */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number, file = "the file"): SafetensorsHeader {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    refuse("safetensors", file, "has a header that is not JSON", undefined, "the file is damaged; fetch it again");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    refuse("safetensors", file, "has a header that is no JSON object");
  }
  const start = 8 + json.length;
  const room = fileBytes - start;
  const entries = new Map<string, SafetensorsEntry>();
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed as Record<string, unknown>)) {
    if (name === "__metadata__") {
      for (const [k, v] of Object.entries((value ?? {}) as Record<string, unknown>)) metadata[k] = String(v);
      continue;
    }
    entries.set(name, checkedEntry(name, value as Record<string, unknown>, start, room, file));
  }
  requireApart([...entries.values()], file);
  return { metadata, entries };
}

/** Tensors do not share bytes: an offset that points into another one's numbers would go unnoticed. */
function requireApart(entries: readonly SafetensorsEntry[], file: string): void {
  const inOrder = entries.filter((e) => e.bytes > 0).sort((a, b) => a.offset - b.offset);
  inOrder.forEach((e, n) => {
    const before = inOrder[n - 1];
    if (!before || before.offset + before.bytes <= e.offset) return;
    refuse(
      "safetensors",
      `tensor "${e.name}" of ${file}`,
      `begins within the bytes of "${before.name}"`,
      "bytes of its own",
      "the file is damaged; fetch it again",
    );
  });
}

function checkedEntry(
  name: string,
  value: Record<string, unknown>,
  start: number,
  room: number,
  file: string,
): SafetensorsEntry {
  const label = `tensor "${name}" of ${file}`;
  const type = value?.["dtype"] as SafetensorsType;
  if (!(type in widths)) {
    refuse("safetensors", label, `has dtype ${JSON.stringify(type)}`, `one of ${Object.keys(widths).join(", ")}`);
  }
  const shape = value["shape"] as number[];
  const whole = (x: unknown): boolean => typeof x === "number" && Number.isSafeInteger(x) && x >= 0;
  if (!Array.isArray(shape) || !shape.every(whole)) {
    refuse("safetensors", label, `has shape ${JSON.stringify(shape)}`, "a list of whole numbers ≥ 0");
  }
  const offsets = value["data_offsets"] as number[];
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole) || offsets[1]! < offsets[0]!) {
    refuse("safetensors", label, `has data_offsets ${JSON.stringify(offsets)}`, "[from, to] with 0 ≤ from ≤ to");
  }
  const [from, to] = offsets as [number, number];
  if (to > room) {
    refuse(
      "safetensors",
      label,
      `ends at byte ${to} of the data, which has ${room} bytes`,
      undefined,
      "the file is cut short; fetch it again",
    );
  }
  const need = sizeOf(shape) * widths[type];
  if (need !== to - from) {
    refuse("safetensors", label, `has ${to - from} bytes`, `${need} for ${type} [${shape.join(", ")}]`);
  }
  return { name, type, shape, offset: start + from, bytes: need };
}

/** The numbers of some of an entry's bytes as float32, in `out` when it is given. */
export function decodeFloat32(type: SafetensorsType, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const raw = rawArray(type, bytes);
  if (raw instanceof Float32Array && !out) return raw;
  const to = out ?? new Float32Array(raw.length);
  if (type === "F16") return float16ToFloat32(raw as Uint16Array, to);
  if (type === "BF16") return bfloat16ToFloat32(raw as Uint16Array, to);
  for (let i = 0; i < raw.length; i++) to[i] = Number(raw[i]);
  return to;
}

/** A typed array over the bytes: a view where they are aligned, else a copy. */
export function rawArray(type: SafetensorsType, bytes: Uint8Array): RawArray {
  const width = widths[type];
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes); // a Buffer's slice() is no copy
  const { buffer, byteOffset } = aligned;
  const n = aligned.length / width;
  switch (type) {
    case "F64": return new Float64Array(buffer, byteOffset, n);
    case "F32": return new Float32Array(buffer, byteOffset, n);
    case "I64": return new BigInt64Array(buffer, byteOffset, n);
    case "U64": return new BigUint64Array(buffer, byteOffset, n);
    case "I32": return new Int32Array(buffer, byteOffset, n);
    case "U32": return new Uint32Array(buffer, byteOffset, n);
    case "I16": return new Int16Array(buffer, byteOffset, n);
    case "F16": case "BF16": case "U16": return new Uint16Array(buffer, byteOffset, n);
    case "I8": return new Int8Array(buffer, byteOffset, n);
    default: return new Uint8Array(buffer, byteOffset, n);
  } // biome-ignore format: a table
}

/**
 * Opens a safetensors file that is in memory. Numbers are read when asked for.
 * @param file named in errors
 * @throws {FileError} when the header lies or the file is cut short
 */
export function readSafetensors(bytes: Uint8Array, file = "the file"): Safetensors {
  const n = safetensorsHeaderLength(bytes.subarray(0, 8), bytes.length, file);
  const header = parseSafetensorsHeader(bytes.subarray(8, 8 + n), bytes.length, file);
  const names = [...header.entries.keys()];
  const find = (name: string): SafetensorsEntry =>
    header.entries.get(name) ??
    refuse("safetensors", `tensor "${name}"`, `is not in ${file}`, `one of its ${names.length} tensors`);
  const part = (e: SafetensorsEntry): Uint8Array => bytes.subarray(e.offset, e.offset + e.bytes);
  return {
    metadata: header.metadata,
    names,
    tensor: (name) => {
      const e = find(name);
      return tensor(decodeFloat32(e.type, part(e)), e.shape);
    },
    raw: (name) => {
      const e = find(name);
      return { type: e.type, shape: e.shape, data: rawArray(e.type, part(e)) };
    },
  };
}

/** What may be written: float32 numbers (as they are or as half precision), or integers as int32. */
export interface Writable {
  name: string;
  value: Tensor | TensorLike;
  type?: "F32" | "F16" | "I32" | "U8";
}

/**
 * Writes a safetensors file. Tensors keep the order given; each starts at a multiple of 8 bytes from the data's start.
 * The same arguments give the same bytes.
 */
export function writeSafetensors(tensors: readonly Writable[], metadata: Record<string, string> = {}): Uint8Array {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const { name, value, type = "F32" } of tensors) {
    const part = encode(type, value.data);
    header[name] = { dtype: type, shape: value.shape ?? value.dims, data_offsets: [offset, offset + part.length] };
    parts.push(part);
    offset += part.length;
  }
  let json = new TextEncoder().encode(JSON.stringify(header));
  const pad = (8 - (json.length % 8)) % 8;
  if (pad > 0) json = new Uint8Array([...json, ...new Array<number>(pad).fill(32)]);
  const out = new Uint8Array(8 + json.length + offset);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let at = 8 + json.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function encode(type: "F32" | "F16" | "I32" | "U8", data: ArrayLike<number>): Uint8Array {
  const bytes = (a: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }): Uint8Array =>
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  if (type === "F16") return bytes(float32ToFloat16(data));
  if (type === "I32") return bytes(Int32Array.from(data));
  if (type === "U8") return Uint8Array.from(data);
  return bytes(data instanceof Float32Array ? data : Float32Array.from(data));
}
