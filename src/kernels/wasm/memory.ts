/**
 * @file Kernel memory: one WebAssembly memory, cut by a best-fit allocator that merges free neighbours.
 *
 * Blocks are multiples of 64 bytes (a cache line), begin on one, and are followed by 64 bytes of slack somewhere before
 * the memory's end, so that a vector load may run past a row. The memory only grows: what is freed is used again, which
 * keeps repeated work flat. Shared memory, where the platform allows it, has a second advantage beside threads: its
 * buffers do not detach when it grows.
 */
import { QkvError, type Storage } from "../../tensor/index.js";

const PAGE = 65536;
/** Pages a 32-bit memory can address: 4 GB. */
export const LIMIT_PAGES = 65536;
const SLACK = 256;
const LINE = 64;

interface Span {
  from: number;
  bytes: number;
}

export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  /** Bytes handed out now. */
  bytesInUse = 0;
  private readonly free: Span[] = []; // by address, no two touch
  private readonly sizes = new Map<number, number>(); // live blocks: address → bytes
  private top: number;
  /** All of it, as numbers of each kind. Made anew when it grows, which only `reach` does. */
  bytes: Uint8Array;
  floats: Float32Array;
  words: Int32Array;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.memory = memory;
    this.shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
    this.top = Math.ceil(base / LINE) * LINE;
    [this.bytes, this.floats, this.words] = viewsOf(memory);
  }

  /** Size of the memory itself: never shrinks. */
  get capacity(): number {
    return this.bytes.byteLength;
  }

  /** Float64 numbers at an address that is a multiple of 8. */
  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length);
  }

  /** Uninitialised bytes. Cost: the number of free spans, few because neighbours merge. */
  allocate(bytes: number): number {
    const need = Math.max(LINE, Math.ceil(bytes / LINE) * LINE);
    let best = -1;
    for (let n = 0; n < this.free.length; n++) {
      const size = this.free[n]!.bytes;
      if (size >= need && (best < 0 || size < this.free[best]!.bytes)) best = n;
      if (size === need) break;
    }
    let from: number;
    if (best >= 0) {
      const span = this.free[best]!;
      from = span.from;
      if (span.bytes === need) this.free.splice(best, 1);
      else {
        span.from += need;
        span.bytes -= need;
      }
    } else {
      from = this.top;
      const last = this.free.at(-1);
      if (last && last.from + last.bytes === this.top) {
        from = last.from; // the last free span touches the top: grow from there
        this.free.pop();
      }
      this.reach(from + need + SLACK, bytes);
      this.top = from + need;
    }
    this.sizes.set(from, need);
    this.bytesInUse += need;
    return from;
  }

  release(from: number): void {
    const bytes = this.sizes.get(from);
    if (bytes === undefined) return; // given back already
    this.sizes.delete(from);
    this.bytesInUse -= bytes;
    let low = 0;
    let high = this.free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.free[middle]!.from < from) low = middle + 1;
      else high = middle;
    }
    const before = this.free[low - 1];
    const after = this.free[low];
    const joinsBefore = before !== undefined && before.from + before.bytes === from;
    const joinsAfter = after !== undefined && from + bytes === after.from;
    if (joinsBefore) {
      before.bytes += bytes + (joinsAfter ? after.bytes : 0);
      if (joinsAfter) this.free.splice(low, 1);
    } else if (joinsAfter) {
      after.from = from;
      after.bytes += bytes;
    } else this.free.splice(low, 0, { from, bytes });
  }

  private reach(end: number, asked: number): void {
    const have = this.bytes.byteLength;
    if (end <= have) return;
    // A quarter more than asked, so that a thousand small growths do not become a thousand system calls.
    const pages = Math.ceil((end - have) / PAGE);
    const generous = Math.min(LIMIT_PAGES - have / PAGE, Math.max(pages, Math.ceil(have / PAGE / 4)));
    for (const more of [generous, pages]) {
      if (more < pages || have / PAGE + more > LIMIT_PAGES) continue;
      try {
        this.memory.grow(more);
        [this.bytes, this.floats, this.words] = viewsOf(this.memory);
        return;
      } catch {}
    }
    throw new QkvError({
      where: "kernel memory",
      argument: "a request",
      got: `of ${asked} bytes does not fit: ${this.bytesInUse} bytes are in use and WebAssembly addresses 4 GB at most`,
      expected: "less at a time",
      fix: "work inside ops().scope(…) so that intermediate results are given back, free unused weights, or shorten the input",
    });
  }
}

function viewsOf({ buffer }: WebAssembly.Memory): [Uint8Array, Float32Array, Int32Array] {
  return [new Uint8Array(buffer), new Float32Array(buffer), new Int32Array(buffer)];
}

/** Numbers in kernel memory. They can move out to an ordinary array, or be given back; the tensor object stays the same. */
export class KernelStorage implements Storage {
  readonly memory: KernelMemory;
  readonly length: number;
  /** Byte address; −1 when the numbers are not in kernel memory any more. */
  address: number;
  private view: Float32Array | undefined;

  constructor(memory: KernelMemory, length: number) {
    this.memory = memory;
    this.length = length;
    this.address = memory.allocate(length * 4);
  }

  get array(): Float32Array {
    if (this.view && (this.address < 0 || this.view.buffer === this.memory.bytes.buffer)) return this.view;
    if (this.address < 0) {
      throw new QkvError({
        where: "tensor",
        argument: "data",
        got: "was given back to the kernel: its scope has ended or it was freed",
        fix: "return the tensor from scope(…), or copy its data inside",
      });
    }
    this.view = this.memory.floats.subarray(this.address / 4, this.address / 4 + this.length);
    return this.view;
  }

  /** Gives the memory back; reading the numbers is an error from now on. */
  release(): void {
    if (this.address < 0) return;
    this.memory.release(this.address);
    this.address = -1;
    this.view = undefined;
  }

  /** Moves the numbers to an ordinary array. */
  evacuate(): void {
    if (this.address < 0) return;
    const copy = this.array.slice();
    const outside = copy.buffer instanceof ArrayBuffer ? copy : Float32Array.from(copy);
    this.memory.release(this.address);
    this.address = -1;
    this.view = outside;
  }
}
