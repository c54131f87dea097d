/**
 * @file Where the bytes of a model come from: an array in memory, or a file that is read piece by piece.
 *
 * The graph of a model is small and its weights are large and lie between the parts of the graph. Reading asks for
 * short ranges and never for the weights, so a file of gigabytes costs a few seeks.
 */

import { refuse } from "./refuse.js";

/** Random access to bytes. Reading outside of [0, size) is the caller's mistake. */
export interface ByteSource {
  /** Named in errors. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** Bytes [from, to). Not a copy. */
  read(from: number, to: number): Uint8Array;
  /** Writes bytes [from, to) into `out` at `at`, past any window. */
  copy(from: number, to: number, out: Uint8Array, at: number): void;
  close(): void;
}

/** Bytes that are in memory already; nothing is copied. */
export function memorySource(bytes: Uint8Array, name = "the bytes"): ByteSource {
  return {
    name,
    size: bytes.length,
    read: (from, to) => bytes.subarray(from, to),
    copy: (from, to, out, at) => out.set(bytes.subarray(from, to), at),
    close: () => {},
  };
}

/** How much is read ahead: the nodes of a graph stand one behind the other, so one read serves a hundred of them. */
const ahead = 16 * 1024;

/** A file on disk (Node), read through one window. The caller closes it. */
export async function fileSource(path: string): Promise<ByteSource> {
  const { openSync, fstatSync, readSync, closeSync } = await import("node:fs");
  const file = openSync(path, "r");
  const { size } = fstatSync(file);
  let window = new Uint8Array(0);
  let start = 0;
  const load = (from: number, to: number, out: Uint8Array, at: number): void => {
    for (let done = from; done < to; ) {
      const n = readSync(file, out, at + done - from, to - done, done);
      if (n === 0) refuse(path, `became shorter while it was read: ${done} of ${size} bytes`, "try again");
      done += n;
    }
  };
  return {
    name: path,
    size,
    read(from, to) {
      if (from < start || to > start + window.length) {
        const end = Math.min(size, Math.max(to, from + ahead));
        window = new Uint8Array(end - from);
        load(from, end, window, 0);
        start = from;
      }
      return window.subarray(from - start, to - start);
    },
    copy: load,
    close: () => closeSync(file),
  };
}
