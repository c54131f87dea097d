/** @file Numbers of a weights file: from stored bytes to float32, in parts, where they are wanted. */
import type { WeightRows } from "../../kernels/kernel.js";
import { sizeOf, type Tensor, tensor } from "../../tensor/index.js";
import type { ByteSource } from "./source.js";

/** Where a tensor lies in a file and how it is stored. */
export interface Stored<Type extends string = string> {
  shape: readonly number[];
  type: Type;
  offset: number;
  bytes: number;
}

/** Numbers decoded at a time: whole blocks of every quantised form. */
const PART = 2 ** 18;

/** Tensors of one source. They share the buffer that stored bytes pass through, 1 MB at most. */
export class Numbers<Type extends string> {
  readonly #source: ByteSource;
  readonly #decode: (type: Type, bytes: Uint8Array, out: Float32Array) => void;
  #buffer = new Uint8Array(0);

  constructor(source: ByteSource, decode: (type: Type, bytes: Uint8Array, out: Float32Array) => void) {
    this.#source = source;
    this.#decode = decode;
  }

  /** All of a tensor, in memory of its own. */
  tensor(stored: Stored<Type>): Tensor {
    const out = new Float32Array(sizeOf(stored.shape));
    this.#fill(stored, 0, out);
    return tensor(out, [...stored.shape]);
  }

  /** A matrix [N, …] whose rows are whole blocks, to be read in parts. */
  rows(stored: Stored<Type>): WeightRows {
    const row = sizeOf(stored.shape.slice(1));
    return {
      shape: stored.shape,
      read: (from, to, out) => this.#fill(stored, from * row, out.subarray(0, (to - from) * row)),
    };
  }

  /** Numbers from number `first` on. float32 goes from the file to `out` itself. */
  #fill({ type, shape, offset, bytes }: Stored<Type>, first: number, out: Float32Array): void {
    if (out.length === 0) return;
    const width = bytes / sizeOf(shape); // a fraction where blocks are quantised
    if (type === "F32") {
      this.#source.readInto(offset + first * width, new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
      return;
    }
    for (let done = 0; done < out.length; done += PART) {
      const part = out.subarray(done, done + PART);
      const length = part.length * width;
      if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
      const stored = this.#buffer.subarray(0, length);
      this.#source.readInto(offset + (first + done) * width, stored);
      this.#decode(type, stored, part);
    }
  }
}
