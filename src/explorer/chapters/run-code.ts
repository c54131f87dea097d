/** @file The page's end of the sandbox: runs TypeScript in a worker that reaches nothing, and ends it when its time is over. */
import type { SandboxAnswer, SandboxAsk } from "../sandbox/worker.js";

export interface Ran {
  lines: { text: string; tone: "out" | "warn" | "error" }[];
  milliseconds: number;
}

/** Longer than any example here needs on a slow machine. */
export const patience = 5000;

/** Never rejects: what goes wrong is a line of the output. */
export function runCode(code: string, onLine: (ran: Ran) => void, signal?: AbortSignal): Promise<Ran> {
  const start = performance.now();
  const ran: Ran = { lines: [], milliseconds: 0 };
  return new Promise((resolve) => {
    const worker = new Worker(new URL("sandbox.js", document.baseURI), { type: "module", name: "your code" });
    const end = (text?: string): void => {
      clearTimeout(timer);
      worker.terminate();
      ran.milliseconds = performance.now() - start;
      if (text !== undefined) ran.lines.push({ text, tone: "error" });
      resolve(ran);
    };
    const timer = setTimeout(() => end(`Stopped after ${patience / 1000} seconds. A loop without an end?`), patience);
    signal?.addEventListener("abort", () => end("Stopped."));
    worker.onerror = (event) => {
      event.preventDefault();
      end(event.message || "The worker for your code could not be started. Fix: npm run build.");
    };
    worker.onmessage = ({ data }: MessageEvent<SandboxAnswer>) => {
      if ("done" in data) end();
      else if ("error" in data) end(data.line === null ? data.error : `line ${data.line}: ${data.error}`);
      else {
        ran.lines.push({ text: data.print, tone: data.tone });
        onLine({ ...ran });
      }
    };
    worker.postMessage({ code } satisfies SandboxAsk);
  });
}
