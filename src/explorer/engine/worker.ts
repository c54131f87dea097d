/**
 * @file The first code of the worker: asks the server what models are here while the engine's own code is on its way, and keeps
 * what the page asks until it has come.
 */
import type { Answer, Ask } from "./client.js";

export interface WorkerScope {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(message: Answer, transfer: Transferable[]): void;
  location: { href: string };
}
const scope = globalThis as unknown as WorkerScope;

const early: Ask[] = [];
scope.onmessage = ({ data }) => { early.push(data); }; // biome-ignore format: one line

/** Nothing where there is no server: a page opened from disk has only what is dropped on it. */
const start = fetch(new URL("/api/start", scope.location.href)).catch(() => undefined);
const { serve } = await import("./serve.js");
const receive = serve(scope, start);
for (const message of early) receive(message);
scope.onmessage = ({ data }) => receive(data);
