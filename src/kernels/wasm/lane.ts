/**
 * @file What a worker of the pool does, as source text: the same few lines run in Node's worker_threads and in a web
 * worker made from a Blob, and nothing has to be found on disk or fetched.
 *
 * The control block, 32-bit words of shared memory:
 *     GENERATION  grows by one with every job; workers sleep on it
 *     OPEN        1 while a job may be joined. Main writes the job, opens it, works along, closes it, then waits until
 *                 ACTIVE is 0; a worker adds itself to ACTIVE *before* it looks at OPEN. So whoever saw it open is counted,
 *                 and nothing of a job changes while somebody counted reads it.
 *     NEXT        the one counter: the next task nobody took
 */
export const GENERATION = 0;
export const OPEN = 1;
export const ACTIVE = 2;
export const NEXT = 3;
export const TASKS = 4;
export const FUNCTION = 5;
export const ARGUMENTS = 6;
/** Workers numbered below this may join. */
export const LIMIT = 7;
export const READY = 8;
export const FAILED = 9;
/** Tasks finished by workers since the start: a sign of life. */
export const DONE = 10;
/** Scratch address of worker n at SCRATCH + n. */
export const SCRATCH = 16;
export const WORDS = 16 + 256;

/** Parallel functions, in the order of their numbers. */
export const PARALLEL = [
  "attentionForward",
  "attentionBackward",
  "attentionDecode",
  "attentionWeights",
  "packRows",
  "product",
  "each",
  "cells",
  "cellsBackward",
] as const;

/** Looks at GENERATION this often, some 50 µs, before it goes to sleep: jobs of one model follow each other faster. */
const SPINS = 20_000;

export interface LaneData {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: Int32Array;
  lane: number;
}

/** The worker's program; `lane` is a LaneData, arriving as workerData or as the first message. */
export function laneSource(receive: "workerData" | "message"): string {
  const body = `
function work({ module, memory, control, lane }) {
  const wasm = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const functions = ${JSON.stringify(PARALLEL)}.map((name) => wasm[name]);
  Atomics.add(control, ${READY}, 1);
  let seen = 0;
  for (;;) {
    for (let n = 0; n < ${SPINS} && Atomics.load(control, ${GENERATION}) === seen; n++);
    Atomics.wait(control, ${GENERATION}, seen);
    seen = Atomics.load(control, ${GENERATION});
    Atomics.add(control, ${ACTIVE}, 1);
    if (Atomics.load(control, ${OPEN}) === 1 && lane < Atomics.load(control, ${LIMIT})) {
      const f = functions[control[${FUNCTION}]], args = control[${ARGUMENTS}], tasks = control[${TASKS}];
      const scratch = control[${SCRATCH} + lane];
      try {
        for (let task; (task = Atomics.add(control, ${NEXT}, 1)) < tasks; Atomics.add(control, ${DONE}, 1)) f(args, task, scratch);
      } catch {
        Atomics.store(control, ${FAILED}, 1);
      }
    }
    Atomics.sub(control, ${ACTIVE}, 1);
    Atomics.notify(control, ${ACTIVE});
  }
}`;
  return receive === "workerData" // from the event loop: Node tells whether a thread lives only once its loop has begun
    ? `${body}\nsetImmediate(() => work(require("node:worker_threads").workerData));`
    : `${body}\nself.onmessage = (event) => work(event.data);`;
}
