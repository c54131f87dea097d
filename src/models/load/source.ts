/**
 * @file Bytes that are read in parts: a file on disk or an array in memory, one interface.
 *
 * Reading is synchronous, so that weights go in small parts from disk to where a layer wants them, through one buffer.
 */
import { FileError } from "../../tensor/index.js";

export interface ByteSource {
  /** Named in errors. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** A copy of bytes [offset, offset + length). @throws {FileError} past the end, before anything is allocated */
  read(offset: number, length: number): Uint8Array;
  /** Fills `out` with the bytes from `offset` on. @throws {FileError} past the end */
  readInto(offset: number, out: Uint8Array): void;
  close(): void;
}

/** Bytes that are in memory. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return sourceOf(
    name,
    bytes.length,
    (offset, out) => out.set(bytes.subarray(offset, offset + out.length)),
    () => {},
  );
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
  const fill = (offset: number, out: Uint8Array): void => {
    for (let done = 0; done < out.length; ) {
      const n = readSync(descriptor, out, done, out.length - done, offset + done);
      if (n === 0) throw cutShort(path);
      done += n;
    }
  };
  return sourceOf(path, fstatSync(descriptor).size, fill, () => closeSync(descriptor));
}

function sourceOf(
  name: string,
  size: number,
  fill: (offset: number, out: Uint8Array) => void,
  close: () => void,
): ByteSource {
  const requireInside = (offset: number, length: number): void => {
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) throw cutShort(name);
  };
  return {
    name,
    size,
    read(offset, length) {
      requireInside(offset, length);
      const out = new Uint8Array(length);
      fill(offset, out);
      return out;
    },
    readInto(offset, out) {
      requireInside(offset, out.length);
      fill(offset, out);
    },
    close,
  };
}

const cutShort = (name: string): FileError =>
  new FileError({ where: "readWeights", argument: name, got: "is cut short", fix: "fetch it again" });
