/**
 * @file The header of a GGUF file, read without trusting it.
 *
 *     "GGUF" │ u32 version │ u64 tensors │ u64 pairs │ pairs: key, type, value │ tensor infos │ padding │ numbers
 *
 * Every length is held against the bytes that are left before anything is allocated from it.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (MIT). Numbers are little-endian.
 */
import { FileError, sizeOf } from "../../../tensor/index.js";
import type { ByteSource } from "../source.js";
import { blockOf, typeName } from "./types.js";

export interface GgufTensor {
  name: string;
  /** Row-major, slowest axis first; the file writes it the other way round. */
  shape: number[];
  type: string;
  /** From the start of the file. */
  offset: number;
  bytes: number;
}

export interface GgufHeader {
  metadata: Record<string, unknown>;
  tensors: Map<string, GgufTensor>;
}

/** Reads a header. @throws {FileError} in one line for whatever is not as it should be */
export function readGgufHeader(source: ByteSource): GgufHeader {
  const r = new Reader(source);
  if (r.text(4) !== "GGUF") {
    const isFolders = /\.(safetensors|json)$/.test(source.name);
    r.refuse(
      "is no GGUF file",
      undefined,
      undefined,
      isFolders ? "give the folder that holds it" : "give a folder or a .gguf file",
    );
  }
  const version = r.u32();
  if (version !== 2 && version !== 3) r.refuse(`is of GGUF version ${version}`, "version 2 or 3");
  const tensorCount = r.count("tensors", 24);
  const pairCount = r.count("metadata pairs", 13);
  const metadata: Record<string, unknown> = Object.create(null);
  for (let i = 0; i < pairCount; i++) {
    const key = r.string();
    metadata[key] = r.value(r.u32(), key);
  }
  const raw = Array.from({ length: tensorCount }, () => {
    const name = r.string();
    const axes = r.u32();
    if (axes > 8) r.refuse(`has ${axes} axes`, "at most 8", name);
    const shape = Array.from({ length: axes }, () => r.u64()).reverse();
    return { name, shape, code: r.u32(), offset: r.u64() };
  });
  const alignment = (metadata["general.alignment"] as number | undefined) ?? 32;
  if (!(Number.isInteger(alignment) && alignment > 0)) r.refuse(`has alignment ${alignment}`);
  const start = Math.ceil(r.at / alignment) * alignment;
  const tensors = new Map(raw.map((t) => [t.name, placed(t, start, alignment, r)]));
  requireApart([...tensors.values()], r);
  return { metadata, tensors };
}

/** Tensors do not share bytes: an offset that points into another one's numbers would go unnoticed. */
function requireApart(tensors: readonly GgufTensor[], r: Reader): void {
  const inOrder = tensors.filter((t) => t.bytes > 0).sort((a, b) => a.offset - b.offset);
  inOrder.forEach((t, n) => {
    const before = inOrder[n - 1];
    if (!before || before.offset + before.bytes <= t.offset) return;
    const got = `begins at byte ${t.offset}, within "${before.name}"`;
    r.refuse(got, `byte ${before.offset + before.bytes} or later`, t.name, "the file is damaged; fetch it again");
  });
}

type Raw = { name: string; shape: number[]; code: number; offset: number };

function placed({ name, shape, code, offset }: Raw, start: number, alignment: number, r: Reader): GgufTensor {
  const type = typeName(code);
  const block = blockOf(type) ?? { numbers: 1, bytes: 0 }; // a type we do not read is refused when it is asked for
  const size = sizeOf(shape);
  if (!Number.isSafeInteger(size)) r.refuse(`has shape [${shape.join(", ")}]`, "fewer than 2⁵³ numbers", name);
  if ((shape.at(-1) ?? 0) % block.numbers !== 0) {
    r.refuse(`has rows of ${shape.at(-1)} numbers`, `a multiple of ${block.numbers} for ${type}`, name);
  }
  if (offset % alignment !== 0) {
    r.refuse(`has offset ${offset}`, `a multiple of ${alignment}`, name, "the file is damaged; fetch it again");
  }
  const bytes = (size / block.numbers) * block.bytes;
  if (start + offset + bytes > r.size) {
    const got = `needs bytes ${start + offset} to ${start + offset + bytes} of the ${r.size} there are`;
    r.refuse(got, undefined, name, "the file is cut short or damaged; fetch it again");
  }
  return { name, shape, type, offset: start + offset, bytes };
}

/** Width in bytes of the number kinds 0 … 12, undefined for text and lists. */
const widths = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

class Reader {
  at = 0;
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #from = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#source.size;
  }

  refuse(got: string, expected?: string, tensor?: string, fix?: string): never {
    const { name } = this.#source;
    const argument = tensor === undefined ? name : `tensor "${tensor}" of ${name}`;
    throw new FileError({ where: "readWeights", argument, got, ...(expected && { expected }), ...(fix && { fix }) });
  }

  /** Where the next n bytes begin in what is at hand; the file is read a megabyte at a time. */
  #next(n: number): number {
    const left = this.#source.size - this.at;
    if (n > left) this.refuse("ends within its header", undefined, undefined, "fetch it again");
    if (this.at < this.#from || this.at + n > this.#from + this.#window.length) {
      this.#from = this.at;
      this.#window = this.#source.read(this.at, Math.min(left, Math.max(n, 2 ** 20)));
      this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.length);
    }
    const start = this.at - this.#from;
    this.at += n;
    return start;
  }

  u32(): number {
    const at = this.#next(4);
    return this.#view.getUint32(at, true);
  }

  u64(): number {
    const at = this.#next(8);
    const [low, high] = [this.#view.getUint32(at, true), this.#view.getUint32(at + 4, true)];
    if (high >= 2 ** 21) {
      this.refuse(`states a length or offset of ${this.#view.getBigUint64(at, true)}`, "less than 2⁵³");
    }
    return high * 2 ** 32 + low;
  }

  text(n: number): string {
    const at = this.#next(n);
    return utf8.decode(this.#window.subarray(at, at + n));
  }

  string(): string {
    return this.text(this.count("characters", 1));
  }

  /** A count of things that take at least `least` bytes each: it cannot be more than what is left. */
  count(what: string, least: number): number {
    const n = this.u64();
    const left = this.#source.size - this.at;
    if (n * least > left) {
      this.refuse(
        `says that ${n} ${what} follow in the ${left} bytes that are left`,
        undefined,
        undefined,
        "fetch it again",
      );
    }
    return n;
  }

  value(kind: number, key: string): unknown {
    if (kind === 8) return this.string();
    if (kind === 9) {
      const inner = this.u32();
      if (inner === 9) this.refuse(`has a list of lists under "${key}"`, "a list of numbers or texts");
      const n = this.count("list entries", inner === 8 ? 8 : (widths[inner] ?? 1));
      return Array.from({ length: n }, () => this.value(inner, key));
    }
    const width = widths[kind];
    if (width === undefined) this.refuse(`has a value of kind ${kind} under "${key}"`, "a kind from 0 to 12");
    const at = this.#next(width);
    return number(this.#view, at, kind);
  }
}

function number(v: DataView, at: number, kind: number): number | boolean {
  switch (kind) {
    case 0: return v.getUint8(at);
    case 1: return v.getInt8(at);
    case 2: return v.getUint16(at, true);
    case 3: return v.getInt16(at, true);
    case 4: return v.getUint32(at, true);
    case 5: return v.getInt32(at, true);
    case 6: return v.getFloat32(at, true);
    case 7: return v.getUint8(at) !== 0;
    case 10: return Number(v.getBigUint64(at, true));
    case 11: return Number(v.getBigInt64(at, true));
    default: return v.getFloat64(at, true);
  } // biome-ignore format: a table
}
