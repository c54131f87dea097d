/**
 * @file The first code of the worker: asks the server for what is wanted first while the engine's own code is on its way, and
 * keeps what the page asks until it has come.
 */
import type { Answer, Ask } from "./client.js";
import { askEarly } from "./early.js";

export interface WorkerScope {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(message: Answer, transfer: Transferable[]): void;
  location: { href: string };
}
const scope = globalThis as unknown as WorkerScope;

const early: Ask[] = [];
scope.onmessage = ({ data }) => { early.push(data); }; // biome-ignore format: one line

const opened = (): string | undefined => {
  const ask = early.find((m) => "method" in m && m.method === "open");
  return ask && "args" in ask ? (ask.args[0] as string) : undefined;
};
const server = askEarly(scope.location.href, opened);
const { serve } = await import("./serve.js");
const receive = serve(scope, server);
for (const message of early) receive(message);
scope.onmessage = ({ data }) => receive(data);
