/**
 * @file Runs the tasks of an operation, on one thread or on a pool of them.
 *
 * Workers are started by the first job that is worth it and live as long as the process; they keep nothing alive, so a
 * program still ends by itself. Nobody waits for a worker to start: a job is done by whoever is there, the calling thread
 * always among them. Tasks write to disjoint places and share nothing, so results are the same bits for any number.
 *
 * Node: worker_threads. Browser: inside a worker of a cross-origin isolated page; elsewhere one thread.
 */
import { UnavailableError } from "../../tensor/index.js";
import { ACTIVE, ARGUMENTS, DONE, FAILED, FUNCTION, GENERATION, LIMIT, laneSource, NEXT, OPEN, PARALLEL, READY, SCRATCH, TASKS, WORDS } from "./lane.js"; // biome-ignore format: one word each
import { type Build, type Exports, moduleOf } from "./load.js";
import type { KernelMemory } from "./memory.js";

/** Multiply-adds below which waking somebody costs more than it brings: about 50 µs of work. */
const WORTH = 1_000_000;
/** Milliseconds of looking, then of sleeping at a time, while others finish. */
const SPIN = 1;
const NAP = 20;
/**
 * Where nobody tells whether a worker lives (browsers, a thread of Node's that has not begun): milliseconds without a
 * finished task, and so many tasks' time at least. Of a nap only so much counts: a machine that slept did not wait.
 */
const PATIENCE = 10_000;
const PATIENCE_TASKS = 100;
const LONGEST_NAP = 5 * NAP;
/** Multiply-adds a millisecond of a slow thread: what a task may take, where this thread did none to go by. */
const SLOW = 500_000;
const MOST = 64;

interface Lane {
  unref?(): void;
  on?(event: "exit" | "error", then: () => void): void;
  terminate(): unknown;
  postMessage?(data: unknown): void;
  performance?: { eventLoopUtilization(): { idle: number; active: number } };
}

interface NodeBuiltins {
  getBuiltinModule?(name: string): { Worker: new (code: string, options: object) => Lane };
}

/**
 * Whether a worker lives, without an event, so while this thread waits. Node counts a thread's idle milliseconds: none of
 * a busy one, −1 of one that has ended, if it was asked once while the thread lived. Else nothing is known.
 */
function vitality(lane: Lane): "lives" | "ended" | "unknown" {
  const { idle, active } = lane.performance?.eventLoopUtilization() ?? { idle: 0, active: 0 };
  return idle < 0 ? "ended" : active > 0 ? "lives" : "unknown";
}

/** QKV_THREADS, else the processors this process may use. */
export function defaultThreads(): number {
  const asked = typeof process === "undefined" ? undefined : process.env?.["QKV_THREADS"];
  const given = Number(asked);
  if (asked && Number.isInteger(given) && given >= 1) return Math.min(given, MOST);
  return Math.min(globalThis.navigator?.hardwareConcurrency ?? nodeProcessors(), MOST);
}

function nodeProcessors(): number {
  const os = builtin<{ availableParallelism(): number }>("node:os");
  return os?.availableParallelism() ?? 1;
}

/** A module of Node's without an import, so that bundles for browsers need no stand-in. */
function builtin<T>(name: string): T | undefined {
  const get = (globalThis.process as (NodeBuiltins & object) | undefined)?.getBuiltinModule;
  return get ? (get(name) as T) : undefined;
}

export class Pool {
  private readonly build: Build;
  private readonly memory: KernelMemory;
  private readonly wasm: Exports;
  private readonly scratch: { address: number; bytes: number }[] = [];
  private lanes: Lane[] = [];
  private control: Int32Array | undefined;
  private wanted = defaultThreads();
  private readonly known = new Set<Lane>(); // workers that were seen alive
  private readonly patience = PATIENCE;

  constructor(build: Build, memory: KernelMemory, wasm: Exports) {
    this.build = build;
    this.memory = memory;
    this.wasm = wasm;
  }

  /** Threads a job may use, the calling one among them. */
  get threads(): number {
    return this.memory.shared ? this.wanted : 1;
  }
  set threads(n: number) {
    this.wanted = Math.max(1, Math.min(MOST, Math.floor(n)));
  }

  /** Workers that have started, and the calling thread. */
  get ready(): number {
    return 1 + (this.control ? Atomics.load(this.control, READY) : 0);
  }

  /**
   * Calls `wasm[name](args, task, scratch)` for every task in [0, tasks).
   * @param work multiply-adds of the whole job
   */
  run(
    name: (typeof PARALLEL)[number],
    args: number,
    tasks: number,
    scratchBytes: number,
    work: number,
    most = MOST,
  ): void {
    const threads = work < WORTH ? 1 : Math.min(this.threads, tasks, most);
    const scratch = this.scratchOf(0, scratchBytes);
    const f = this.wasm[name]!;
    if (threads > 1) this.start(threads - 1);
    if (threads === 1 || !this.control) {
      for (let task = 0; task < tasks; task++) f(args, task, scratch);
      return;
    }
    const { control } = this;
    for (let lane = 0; lane < threads - 1; lane++) control[SCRATCH + lane] = this.scratchOf(lane + 1, scratchBytes);
    control[FUNCTION] = PARALLEL.indexOf(name);
    control[ARGUMENTS] = args;
    control[TASKS] = tasks;
    for (const lane of this.lanes) if (!this.known.has(lane) && vitality(lane) === "lives") this.known.add(lane);
    Atomics.store(control, LIMIT, threads - 1);
    Atomics.store(control, NEXT, 0);
    Atomics.store(control, OPEN, 1);
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    const begin = performance.now();
    let own = 0;
    try {
      for (let task: number; (task = Atomics.add(control, NEXT, 1)) < tasks; own++) f(args, task, scratch);
    } finally {
      Atomics.store(control, NEXT, tasks);
      Atomics.store(control, OPEN, 0);
      this.settle(control, own > 0 ? (performance.now() - begin) / own : work / tasks / SLOW);
    }
  }

  /**
   * Waits until nobody is in the job. A worker that trapped or ended: the pool is taken down and an error says so.
   * @param pace milliseconds that a task takes
   */
  private settle(control: Int32Array, pace: number): void {
    const begin = performance.now();
    for (let spin = 1; Atomics.load(control, ACTIVE) !== 0; spin++) {
      if (spin % 1024 === 0 && performance.now() - begin > SPIN) break;
    }
    let [done, silent, looked] = [Atomics.load(control, DONE), 0, performance.now()];
    for (let active: number; (active = Atomics.load(control, ACTIVE)) !== 0; ) {
      if (Atomics.wait(control, ACTIVE, active, NAP) !== "timed-out") continue;
      const now = performance.now();
      silent += Math.min(now - looked, LONGEST_NAP);
      looked = now;
      const finished = Atomics.load(control, DONE);
      if (finished !== done) [done, silent] = [finished, 0];
      const signs = this.lanes.map(vitality);
      const isDead = silent > Math.max(this.patience, PATIENCE_TASKS * pace) && signs.includes("unknown");
      if (signs.includes("ended") || isDead) {
        this.dispose();
        this.fail("lost a worker in the middle of an operation");
      }
    }
    if (Atomics.exchange(control, FAILED, 0) !== 0) {
      this.dispose();
      this.fail("stopped in the middle of an operation");
    }
  }

  private fail(got: string): never {
    throw new UnavailableError({
      where: "kernel threads",
      argument: "the pool",
      got,
      fix: "call again (a new pool is started), or set QKV_THREADS=1",
    });
  }

  /** Starts workers until there are `count`; where none can be had, everything runs on the calling thread. */
  private start(count: number): void {
    if (!this.memory.shared || this.lanes.length >= count) return;
    this.control ??= new Int32Array(new SharedArrayBuffer(WORDS * 4));
    const { control, build } = this;
    const { memory } = this.memory;
    try {
      while (this.lanes.length < count) {
        const data = { module: moduleOf(build, true), memory, control, lane: this.lanes.length };
        const lane = makeLane(data);
        lane.on?.("error", () => {}); // the exit that follows says it
        lane.on?.("exit", () => this.lanes.includes(lane) && this.dispose());
        this.lanes.push(lane);
      }
    } catch {
      this.wanted = this.lanes.length + 1;
    }
  }

  /** Ends the workers; the next job that is worth it starts new ones. */
  dispose(): void {
    for (const lane of this.lanes) lane.terminate();
    this.lanes = [];
    this.known.clear();
    this.control = undefined;
  }

  private scratchOf(lane: number, bytes: number): number {
    const have = this.scratch[lane];
    if (have && have.bytes >= bytes) return have.address;
    if (have) this.memory.release(have.address);
    this.scratch[lane] = { address: this.memory.allocate(bytes), bytes };
    return this.scratch[lane].address;
  }
}

function makeLane(data: object): Lane {
  const threads = builtin<{ Worker: new (code: string, options: object) => Lane }>("node:worker_threads");
  if (threads) {
    const worker = new threads.Worker(laneSource("workerData"), { eval: true, workerData: data, execArgv: [] });
    worker.unref!();
    return worker;
  }
  const inWorker = typeof (globalThis as { importScripts?: unknown }).importScripts === "function";
  if (!inWorker || typeof Worker === "undefined")
    throw new Error("no threads on a page's main thread: it may not wait");
  const url = URL.createObjectURL(new Blob([laneSource("message")], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.postMessage(data);
  return worker;
}
