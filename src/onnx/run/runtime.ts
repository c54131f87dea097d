/**
 * @file onnxruntime, whichever is there: onnxruntime-node, or onnxruntime-web (WebAssembly) in a browser and in Node.
 *
 * Both are optional: they are loaded when a model is run, and an error says what to install. The parts of their interface
 * that are used are written down here, so that qkv's own types need neither.
 */
import { OptionError, UnavailableError } from "../../tensor/index.js";

export type RuntimeName = "node" | "web";

/** A tensor as onnxruntime has it. */
export interface OrtTensor {
  readonly type: string;
  readonly data: unknown;
  readonly dims: readonly number[];
}

export interface OrtSession {
  run(feeds: Record<string, OrtTensor>, fetches?: readonly string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

export interface Ort {
  InferenceSession: { create(model: Uint8Array, options?: Record<string, unknown>): Promise<OrtSession> };
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  env: { versions?: Record<string, string | undefined>; wasm?: Record<string, unknown>; logLevel?: string };
}

export interface Runtime {
  name: RuntimeName;
  ort: Ort;
  /** "onnxruntime-node 1.30.0" */
  title: string;
}

const packages: Record<RuntimeName, string> = { node: "onnxruntime-node", web: "onnxruntime-web" };

/**
 * Loads a runtime.
 * @param asked "node", "web", or an onnxruntime module that is loaded already; default: in a browser "web", else "node"
 *   and, where that is not installed, "web"
 * @throws {UnavailableError} that says what to install
 */
export async function loadRuntime(asked?: RuntimeName | Ort): Promise<Runtime> {
  if (typeof asked === "object") return titled(asked.env.wasm && !isNode() ? "web" : "node", asked);
  if (asked !== undefined && !(asked in packages)) {
    throw new OptionError({
      where: "openOnnx",
      argument: "runtime",
      got: `is ${JSON.stringify(asked)}`,
      expected: '"node" or "web"',
    });
  }
  const order: RuntimeName[] = asked ? [asked] : isNode() ? ["node", "web"] : ["web"];
  let cause: unknown;
  for (const name of order) {
    try {
      // Not written out for Node: a bundler for the browser must not look for it.
      const module = name === "node" ? await import(/* @vite-ignore */ packages.node) : await import("onnxruntime-web");
      return titled(name, ("default" in module && module.default ? module.default : module) as unknown as Ort);
    } catch (error) {
      cause ??= error;
    }
  }
  const wanted = packages[order[0]!];
  throw new UnavailableError(
    {
      where: "openOnnx",
      argument: wanted,
      got: "is needed to run a model and could not be loaded",
      fix: `npm install ${wanted}`,
    },
    { cause },
  );
}

const isNode = (): boolean => typeof process !== "undefined" && typeof process.versions?.node === "string";

function titled(name: RuntimeName, ort: Ort): Runtime {
  const version = ort.env.versions?.[name] ?? ort.env.versions?.["common"];
  return { name, ort, title: version ? `${packages[name]} ${version}` : packages[name] };
}
