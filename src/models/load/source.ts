/**
 * @file Bytes that are read in parts: a file on disk or an array in memory, one interface.
 *
 * Reading is synchronous, so that weights go one tensor at a time from disk to where a layer wants them, and never
 * more than one of them is held twice.
 */
import type { WeightRows } from "../../kernels/kernel.js";
import { FileError, tensor } from "../../tensor/index.js";

export interface ByteSource {
  /** Named in errors. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** A copy of bytes [offset, offset + length). @throws {FileError} past the end */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Bytes that are in memory. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  const size = bytes.length;
  return {
    name,
    size,
    read(offset, length) {
      requireInside({ name, size }, offset, length);
      return bytes.slice(offset, offset + length);
    },
    close() {},
  };
}

/** A file on disk (Node). */
export async function fileSource(path: string): Promise<ByteSource> {
  const { closeSync, fstatSync, openSync, readSync } = await import("node:fs");
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (cause) {
    const got = (cause as { code?: string }).code === "ENOENT" ? "is not there" : "cannot be read";
    throw new FileError({ where: "readWeights", argument: path, got }, { cause });
  }
  const size = fstatSync(descriptor).size;
  return {
    name: path,
    size,
    read(offset, length) {
      requireInside({ name: path, size }, offset, length);
      const out = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const n = readSync(descriptor, out, done, length - done, offset + done);
        if (n === 0) throw cutShort(path);
        done += n;
      }
      return out;
    },
    close() {
      closeSync(descriptor);
    },
  };
}

/** Bytes [offset, offset + bytes) of a file, a matrix of N rows, as rows that `decode` makes numbers of. */
export function rowsOf(
  source: ByteSource,
  { shape, offset, bytes }: { shape: readonly number[]; offset: number; bytes: number },
  decode: (bytes: Uint8Array) => Float32Array,
): WeightRows {
  const [count = 1, ...rest] = shape;
  const row = count === 0 ? 0 : bytes / count;
  return {
    shape,
    read: (from, to) => tensor(decode(source.read(offset + from * row, (to - from) * row)), [to - from, ...rest]),
  };
}

function requireInside({ name, size }: { name: string; size: number }, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) throw cutShort(name);
}

const cutShort = (name: string): FileError =>
  new FileError({ where: "readWeights", argument: name, got: "is cut short", fix: "fetch it again" });
