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
let opens: (id: string) => void;
const opened = new Promise<string>((resolve) => { opens = resolve; }); // biome-ignore format: one line
scope.onmessage = ({ data }) => {
  early.push(data);
  if ("method" in data && data.method === "open") opens(data.args[0] as string);
};

const server = askEarly(scope.location.href, opened);
// Not awaited: until a module has been evaluated nothing is heard.
void import("./serve.js").then(({ serve }) => {
  const receive = serve(scope, server);
  for (const message of early) receive(message);
  scope.onmessage = ({ data }) => receive(data);
});
