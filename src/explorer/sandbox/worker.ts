/**
 * @file Runs what the reader wrote, in a Web Worker of its own. The page's policy forbids compiling text; this file is served
 * with another one (`sandboxPolicy`) that allows it and nothing else: no network, no storage worth reading, no page.
 * The page ends the worker when it has had its time.
 *
 * TypeScript's types are taken out line by line, so that an error names the line in the editor; `import … from "qkv"` gives
 * the library itself, on its reference kernel.
 */
import { transform } from "sucrase";
import * as attention from "../../attention/index.js";
import * as tensors from "../../tensor/index.js";
import { printed } from "./print.js";

/** From the page. */
export interface SandboxAsk {
  code: string;
}
/** To the page: what was printed, line by line, and how it ended. */
export type SandboxAnswer =
  | { print: string; tone: "out" | "warn" }
  | { done: true }
  | { error: string; line: number | null };

interface Scope {
  onmessage: ((event: MessageEvent<SandboxAsk>) => void) | null;
  postMessage(answer: SandboxAnswer): void;
}
const scope = globalThis as unknown as Scope;
const library: Record<string, unknown> = { ...attention, ...tensors };
const modules: Record<string, unknown> = { qkv: library, "qkv/attention": attention, "qkv/tensor": tensors };

/** Lines that `new AsyncFunction` puts before the body. */
const linesBefore = 2;
const most = 400;

const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...given: unknown[]) => Promise<void>;

function find(name: string): unknown {
  const found = modules[name];
  if (!found) throw new Error(`import "${name}": this page has ${Object.keys(modules).join(", ")}`);
  return found;
}

let lines = 0;
function say(tone: "out" | "warn", given: unknown[]): void {
  lines++;
  if (lines > most) {
    if (lines === most + 1)
      scope.postMessage({ print: `… more than ${most} lines; the rest is left out`, tone: "warn" });
    return;
  }
  scope.postMessage({
    print: given
      .map((x) => printed(x))
      .join(" ")
      .slice(0, 20_000),
    tone,
  });
}

/** Where in the editor it happened: from a place that the compiler names, else from the stack. */
function lineOf(error: unknown): number | null {
  const place = (error as { loc?: { line: number } }).loc?.line;
  if (place !== undefined) return place;
  const stack = /(?:<anonymous>|Function|eval):(\d+):\d+\)?/.exec((error as Error).stack ?? "");
  const line = stack ? Number(stack[1]) - linesBefore : 0;
  return line >= 1 ? line : null;
}

scope.onmessage = async ({ data }) => {
  try {
    const { code } = transform(data.code, {
      transforms: ["typescript", "imports"],
      preserveDynamicImport: true,
      disableESTransforms: true,
    });
    const out = (...x: unknown[]): void => say("out", x);
    const warn = (...x: unknown[]): void => say("warn", x);
    const own = { log: out, info: out, debug: out, table: out, warn, error: warn };
    await new AsyncFunction("require", "exports", "console", code)(find, {}, own);
    scope.postMessage({ done: true });
  } catch (error) {
    const message =
      error instanceof Error
        ? `${error.name}: ${error.message.replace(/^Error transforming[^:]*: /, "")}`
        : String(error);
    scope.postMessage({ error: message, line: lineOf(error) });
  }
};
