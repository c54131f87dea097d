/** @file Runs the tasks of an operation. */
import type { Build, Exports } from "./load.js";
import type { KernelMemory } from "./memory.js";

export class Pool {
  private readonly memory: KernelMemory;
  private readonly wasm: Exports;
  private scratch = { address: 0, bytes: 0 };

  constructor(_build: Build, memory: KernelMemory, wasm: Exports) {
    this.memory = memory;
    this.wasm = wasm;
  }

  /** Lanes that work at once: the main thread and its workers. */
  get threads(): number {
    return 1;
  }

  /** Calls `wasm[name](args, task, scratch)` for every task in [0, tasks). */
  run(name: string, args: number, tasks: number, scratchBytes: number, _threads?: number): void {
    const scratch = this.scratchOf(scratchBytes);
    const f = this.wasm[name]!;
    for (let task = 0; task < tasks; task++) f(args, task, scratch);
  }

  private scratchOf(bytes: number): number {
    if (bytes > this.scratch.bytes) {
      if (this.scratch.bytes > 0) this.memory.release(this.scratch.address);
      this.scratch = { address: this.memory.allocate(bytes), bytes };
    }
    return this.scratch.address;
  }
}
