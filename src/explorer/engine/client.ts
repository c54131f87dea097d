/**
 * @file The page's end of the wire: each call is a numbered message to the worker; progress and steps come back under the
 * same number. A worker that dies rejects what was under way and is started again at the next call; what a caller
 * cancels is dropped here and told to the worker.
 */
import type { CallOptions, EngineApi, EngineError } from "./protocol.js";

/** To the worker. */
export type Ask = { id: number; method: string; args: unknown[] } | { cancel: number };
/** From the worker. */
export type Answer =
  | { id: number; result: unknown }
  | { id: number; error: EngineError }
  | { id: number; progress: [done: number, total: number, says: string] }
  | { id: number; step: unknown };

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (reason: unknown) => void;
  options: CallOptions & { onStep?: (step: unknown) => void };
}

export class WorkerDied extends Error {}

export interface EngineClient extends EngineApi {
  /** Called when the worker died, with what is known. */
  onDeath?: (message: string) => void;
  /** Ends the worker as if it had died: what is under way fails, the next call starts another. */
  kill(message: string): void;
}

const methods = [
  "catalog", "open", "openFiles", "run", "layerMaps", "pair", "atlas", "tile", "row", "rowScores", "headTypes", "badges", "rollout",
  "flow", "valueWeighted", "predictions", "lens", "compareNext", "sweep", "generate", "traceFile", "lab",
] as const; // biome-ignore format: a list

/** An engine behind a worker. `start` makes a new worker each time it is called. */
export function engineClient(start: () => Worker): EngineClient {
  let worker: Worker | undefined;
  let counter = 0;
  const waiting = new Map<number, Waiting>();
  const client = { kill } as unknown as EngineClient;

  function kill(message: string): void {
    worker?.terminate();
    worker = undefined;
    fail(message);
    client.onDeath?.(message);
  }

  function fail(message: string): void {
    const lost = [...waiting.values()];
    waiting.clear();
    for (const w of lost) w.reject(new WorkerDied(message));
  }

  function live(): Worker {
    if (worker) return worker;
    worker = start();
    worker.onmessage = ({ data }: MessageEvent<Answer>) => receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      kill(event.message || "the worker could not be loaded");
    };
    return worker;
  }

  function receive(answer: Answer): void {
    const asked = waiting.get(answer.id);
    if (!asked) return; // cancelled meanwhile
    if ("progress" in answer) return asked.options.onProgress?.(...answer.progress);
    if ("step" in answer) return asked.options.onStep?.(answer.step);
    waiting.delete(answer.id);
    if ("error" in answer) asked.reject(Object.assign(new Error(answer.error.message), answer.error));
    else asked.resolve(answer.result);
  }

  for (const method of methods) {
    (client as unknown as Record<string, unknown>)[method] = (...given: unknown[]) => {
      const last = given.at(-1);
      const options = isOptions(last) ? (given.pop() as Waiting["options"]) : {};
      const id = ++counter;
      return new Promise((resolve, reject) => {
        const { signal } = options;
        if (signal?.aborted) return reject(signal.reason);
        waiting.set(id, { resolve, reject, options });
        signal?.addEventListener("abort", () => {
          if (!waiting.delete(id)) return;
          worker?.postMessage({ cancel: id } satisfies Ask);
          reject(signal.reason);
        });
        live().postMessage({ id, method, args: given } satisfies Ask, transferables(given));
      });
    };
  }
  return client;
}

function isOptions(x: unknown): boolean {
  return typeof x === "object" && x !== null && ("onProgress" in x || "signal" in x || "onStep" in x);
}

/** Dropped files are handed over, not copied. */
function transferables(args: unknown[]): Transferable[] {
  const files = Array.isArray(args[0]) ? args[0] : [];
  return files.map((f) => (f as { bytes?: unknown }).bytes).filter((b): b is ArrayBuffer => b instanceof ArrayBuffer);
}
