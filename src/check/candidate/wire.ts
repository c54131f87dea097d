/**
 * @file The form in which tensors travel to candidates outside of JavaScript: over HTTP and over a pipe.
 *
 *     { "shape": [1, 2, 3, 4], "dtype": "float32", "data": "base64 of the little-endian numbers" }
 *
 * Masks have dtype "uint8". In an answer `data` may also be a plain array, nested or flat, and an answer may be nested
 * arrays alone; JSON has no NaN, so a NaN in a plain array is written null, "NaN", "Infinity" or "-Infinity".
 */
import type { CandidateOptions, Numbers } from "../types.js";

export interface WireTensor {
  shape: number[];
  dtype: string;
  data: string;
}

/** A tensor as it is sent. */
export function pack({ data, shape }: Numbers<Float32Array | Uint8Array>): WireTensor {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { shape, dtype: data instanceof Uint8Array ? "uint8" : "float32", data: bytes.toString("base64") };
}

/** The options of a call with their tensors packed. */
export function packOptions(options: CandidateOptions): Record<string, unknown> {
  const isTensor = (x: unknown): x is Numbers<Float32Array | Uint8Array> =>
    typeof x === "object" && x !== null && "data" in x && ArrayBuffer.isView((x as Numbers).data);
  return Object.fromEntries(Object.entries(options).map(([name, x]) => [name, isTensor(x) ? pack(x) : x]));
}

const readers: Record<string, (b: Buffer) => Float64Array> = {
  float32: (b) => Float64Array.from({ length: b.length / 4 }, (_, n) => b.readFloatLE(n * 4)),
  float64: (b) => Float64Array.from({ length: b.length / 8 }, (_, n) => b.readDoubleLE(n * 8)),
  uint8: (b) => Float64Array.from(b),
};

const words: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/** An answer with base64 data and the words for NaN and Infinity turned into numbers, at any depth. */
export function unpack(x: unknown): unknown {
  if (typeof x === "string") return x in words ? words[x] : x;
  if (x === null || typeof x !== "object") return x;
  if (Array.isArray(x)) return x.map((y) => (y === null ? Number.NaN : unpack(y)));
  const it = x as Record<string, unknown>;
  if (typeof it["data"] === "string") {
    const dtype = String(it["dtype"] ?? "float32");
    const read = readers[dtype];
    if (!read) throw new Error(`the answer has dtype "${dtype}"; float32 and float64 are understood`);
    return { shape: it["shape"], data: read(Buffer.from(it["data"], "base64")) };
  }
  return Object.fromEntries(Object.entries(it).map(([name, y]) => [name, unpack(y)]));
}
