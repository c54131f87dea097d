/** @file The worker's end of the wire: runs the engine, answers by number, hands big arrays over instead of copying. */
import { Engine } from "./engine.js";
import { servedSources } from "./models.js";
import type { Ask } from "./client.js";
import type { Early } from "./early.js";
import type { EngineError } from "./protocol.js";
import type { WorkerScope } from "./worker.js";

/** Milliseconds between two words of progress: each of them draws a part of the page again. */
const pause = 50;

/**
 * Answers what the page asks.
 * @param server  What was asked of the server while this code was on its way.
 */
export function serve(scope: WorkerScope, server: Early): (message: Ask) => void {
  const engine = new Engine([() => servedSources(scope.location.href, server)]);
  const running = new Map<number, AbortController>();

  async function answer(id: number, method: string, args: unknown[]): Promise<void> {
    const control = new AbortController();
    running.set(id, control);
    let told = performance.now();
    const options = {
      signal: control.signal,
      onProgress: (done: number, total: number, says: string) => {
        const now = performance.now();
        if (now - told < pause) return;
        told = now;
        scope.postMessage({ id, progress: [done, total, says] }, []);
      },
      onStep: (step: unknown) => scope.postMessage({ id, step }, []),
    };
    try {
      const call = (engine as unknown as Record<string, (...a: unknown[]) => Promise<unknown>>)[method];
      if (!call) throw new Error(`the engine has no "${method}"`);
      const result = await call.apply(engine, [...args, options]);
      scope.postMessage({ id, result }, buffers(result));
    } catch (error) {
      scope.postMessage({ id, error: asData(error) }, []);
    } finally {
      running.delete(id);
    }
  }

  return (message) => {
    if ("cancel" in message) running.get(message.cancel)?.abort(new DOMException("cancelled", "AbortError"));
    else void answer(message.id, message.method, message.args);
  };
}

function asData(error: unknown): EngineError {
  const { message = String(error), name = "Error", fix } = (error ?? {}) as Partial<EngineError>;
  return { message, name, ...(fix !== undefined && { fix }) };
}

/** Buffers of typed arrays in a result's first level that fill their buffer alone. */
function buffers(result: unknown): Transferable[] {
  const found = new Set<ArrayBuffer>();
  const look = (x: unknown): void => {
    if (ArrayBuffer.isView(x) && x.buffer instanceof ArrayBuffer && x.byteLength === x.buffer.byteLength) {
      found.add(x.buffer);
    }
  };
  look(result);
  if (typeof result === "object" && result !== null) for (const value of Object.values(result)) look(value);
  return [...found];
}
