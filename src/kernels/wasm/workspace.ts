/**
 * @file What every operation of the kernel does: bring operands into kernel memory, make a result, run, tidy up.
 *
 * An operand that already lies in this memory is used where it is; anything else is copied in for the length of the
 * operation. A result belongs to the scope in force; outside every scope it moves to ordinary memory when the operation
 * ends, so an address never outlives the numbers it points to.
 */
import { sizeOf, Tensor } from "../../tensor/index.js";
import { callFields, type CallName, type FieldName, parseField } from "./generate/calls.js";
import { type Build, type Exports, instantiate, makeMemory } from "./load.js";
import { KernelMemory, KernelStorage } from "./memory.js";
import { Pool } from "./pool.js";
import { Scopes } from "./scopes.js";

/**
 * The argument block of a call: writing a field writes it into kernel memory. Fields not written are 0. It holds until the
 * next block is begun, since operations do not nest.
 */
export type Block<N extends CallName> = { [F in FieldName<N>]: number } & { readonly address: number };

/** A block's class: one setter a field, so that a call writes some fifty numbers and makes no object. */
function makeBlock<N extends CallName>(name: N, memory: KernelMemory, address: number): Block<N> {
  const block = { address };
  callFields[name].map(parseField).forEach((field, n) => {
    const at = address / 4 + n;
    Object.defineProperty(block, field.name, {
      set: field.type === "f32" ? (x: number) => (memory.floats[at] = x) : (x: number) => (memory.words[at] = x),
    });
  });
  return block as Block<N>;
}

export class Workspace {
  readonly build: Build;
  readonly memory: KernelMemory;
  readonly scopes = new Scopes();
  readonly wasm: Exports;
  readonly pool: Pool;
  /** Rows and columns of the build's register tile. */
  readonly MR: number;
  readonly NR: number;
  private readonly blockAddress: number; // one for all calls
  private readonly blocks: { [N in CallName]?: Block<N> } = {};
  private readonly temporaries: number[] = [];
  private readonly results: KernelStorage[] = [];

  constructor(build: Build) {
    const { memory, shared } = makeMemory();
    this.build = build;
    this.wasm = instantiate(build, memory, shared);
    this.memory = new KernelMemory(memory, this.wasm.heapBase!());
    this.pool = new Pool(build, this.memory, this.wasm);
    this.MR = this.wasm.tileRows!();
    this.NR = this.wasm.tileColumns!();
    this.blockAddress = this.memory.allocate(1024);
  }

  /** Runs one operation; temporaries are given back, results settled, also when it throws. */
  operation<T>(body: () => T): T {
    const { temporaries, results } = this;
    const [firstTemporary, firstResult] = [temporaries.length, results.length];
    let done = false;
    try {
      const value = body();
      done = true;
      return value;
    } finally {
      while (temporaries.length > firstTemporary) this.memory.release(temporaries.pop()!);
      while (results.length > firstResult) {
        const storage = results.pop()!;
        if (!done) storage.release();
        else if (this.scopes.active) this.scopes.adopt(storage);
        else storage.evacuate();
      }
    }
  }

  /** Bytes until the operation ends. */
  temporary(bytes: number): number {
    const address = this.memory.allocate(bytes);
    this.temporaries.push(address);
    return address;
  }

  /** Where the numbers of x lie; 0 for nothing. Writes to it reach x only when it is kernel memory: see `inPlace`. */
  operand(x: Tensor | undefined): number {
    if (!x) return 0;
    const { storage } = x;
    if (storage instanceof KernelStorage && storage.memory === this.memory && storage.address >= 0)
      return storage.address;
    const data = x.data;
    const address = this.temporary(data.length * 4);
    this.memory.floats.set(data, address / 4);
    return address;
  }

  /** Runs `body` on the address of x and brings the numbers back where x is an ordinary array. */
  inPlace(x: Tensor, body: (address: number) => void): void {
    const address = this.operand(x);
    body(address);
    const lives = x.storage instanceof KernelStorage && x.storage.address === address;
    if (!lives) x.data.set(this.memory.floats.subarray(address / 4, address / 4 + x.size));
  }

  words(data: Int32Array): number {
    const address = this.temporary(data.byteLength);
    this.memory.words.set(data, address / 4);
    return address;
  }

  bytes(data: Uint8Array): number {
    const address = this.temporary(data.byteLength);
    this.memory.bytes.set(data, address);
    return address;
  }

  floats(data: Float32Array): number {
    const address = this.temporary(data.byteLength);
    this.memory.floats.set(data, address / 4);
    return address;
  }

  zeros(bytes: number): number {
    const address = this.temporary(bytes);
    this.memory.bytes.fill(0, address, address + bytes);
    return address;
  }

  /** A result of this operation. */
  result(shape: readonly number[]): { tensor: Tensor; address: number } {
    const storage = new KernelStorage(this.memory, sizeOf(shape));
    this.results.push(storage);
    return { tensor: new Tensor(storage, [...shape]), address: storage.address };
  }

  /** Uninitialised numbers for code outside this folder: kernel memory inside a scope, else an ordinary array. */
  empty(shape: readonly number[]): Tensor {
    if (!this.scopes.active) return new Tensor({ array: new Float32Array(sizeOf(shape)) }, [...shape]);
    const storage = new KernelStorage(this.memory, sizeOf(shape));
    this.scopes.adopt(storage);
    return new Tensor(storage, [...shape]);
  }

  /** Begins a call: its argument block, all fields 0. */
  call<N extends CallName>(name: N): Block<N> {
    this.blocks[name] ??= makeBlock(name, this.memory, this.blockAddress) as (typeof this.blocks)[N];
    const first = this.blockAddress / 4;
    this.memory.words.fill(0, first, first + callFields[name].length);
    return this.blocks[name]!;
  }
}
