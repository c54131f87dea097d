/**
 * @file A candidate's module in a process of its own: an endless loop or a crash of native code ends that process, not
 * the checker. It is started again for the next question.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { FileError } from "../../tensor/index.js";
import type { ModelConfig, Numbers } from "../types.js";
import { type AttentionCandidate, type Candidate, CandidateFailure, type ModelCandidate } from "./candidate.js";
import { childProgram, type Loaded, type Reply, type Request } from "./child.js";

export class Isolated {
  private readonly file: string;
  private readonly limit: number;
  private child: ChildProcess | undefined;
  private next = 0;
  private readonly waiting = new Map<number, { resolve: (r: Reply) => void; reject: (e: Error) => void }>();

  /** @param limit milliseconds a call may take @param file absolute path of the module */
  constructor(file: string, limit: number) {
    this.file = file;
    this.limit = limit;
  }

  /** Sends one question; starts the process and loads the module first when it is not running. */
  async ask(op: Request["op"], args: unknown[], fixedRandom = false): Promise<Reply> {
    if (!this.child && op !== "load") await this.ask("load", []);
    const child = this.child ?? this.start();
    const id = this.next++;
    let timer: NodeJS.Timeout | undefined;
    try {
      // Loading may compile TypeScript and read weights: it has more time than a call.
      const limit = op === "load" ? Math.max(60_000, this.limit) : this.limit;
      const reply = await new Promise<Reply>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        timer = setTimeout(() => {
          this.end();
          reject(new CandidateFailure("hangs", `no answer within ${limit} ms`));
        }, limit);
        child.send({ id, op, args, fixedRandom } satisfies Request, (error) => error && reject(error));
      });
      if (reply.error !== undefined) throw new Error(reply.error);
      return reply;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(id);
    }
  }

  private start(): ChildProcess {
    const jiti = createRequire(import.meta.url).resolve("jiti");
    const program = `(${childProgram.toString()})(require, ${JSON.stringify(this.file)}, ${JSON.stringify(jiti)})`;
    // What the candidate prints goes to stderr: stdout belongs to the report.
    const child = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", 2, 2, "ipc"],
      serialization: "advanced",
    });
    child.on("message", (m) => this.waiting.get((m as Reply).id)?.resolve(m as Reply));
    const gone = (why: string) => {
      if (this.child !== child) return;
      this.child = undefined;
      for (const { reject } of this.waiting.values()) reject(new CandidateFailure("dies", why));
    };
    child.on("exit", (code, signal) =>
      gone(signal ? `the process ended with ${signal}` : `the process ended with code ${code}`),
    );
    child.on("error", (error) => gone(error.message));
    this.child = child;
    return child;
  }

  end(): void {
    const child = this.child;
    this.child = undefined;
    child?.kill("SIGKILL");
  }
}

/**
 * Opens a JavaScript or TypeScript module: an attention function, a multi-head module or a model.
 * @throws {FileError} when the module cannot be loaded or exports nothing to check
 */
export async function openModule(file: string, name: string, limit: number): Promise<Candidate> {
  const process = new Isolated(file, limit);
  let loaded: Loaded;
  try {
    loaded = (await process.ask("load", [])).value as Loaded;
  } catch (error) {
    process.end();
    throw new FileError({
      where: "check",
      argument: name,
      got: `could not be loaded: ${String((error as Error).message).split("\n")[0]}`,
      expected: "a JavaScript or TypeScript module that loads",
      fix: "run it with node once and mend what it says",
    });
  }
  const close = () => process.end();
  if (loaded.kind === "function") {
    const candidate: AttentionCandidate = {
      kind: "function",
      name,
      overwrote: false,
      async call(q, k, v, options) {
        const reply = await process.ask("call", [q, k, v, options]);
        const named: Record<string, Numbers<Float32Array | Uint8Array>> = { q, k, v };
        if (options.mask) named["options.mask"] = options.mask;
        if (options.keyPadding) named["options.keyPadding"] = options.keyPadding;
        for (const [key, data] of Object.entries(reply.changed ?? {})) named[key]?.data.set(data);
        if (reply.overwrote) candidate.overwrote = true;
        return reply.value;
      },
      close,
    };
    return candidate;
  }
  if (loaded.kind === "multi-head") {
    return {
      kind: "multi-head",
      name,
      heads: loaded.heads ?? 1,
      weights: loaded.weights ?? {},
      forward: async (x, options) => (await process.ask("forward", [x, options])).value,
      close,
    };
  }
  if (loaded.kind === "model") {
    let fixed = false;
    const candidate: ModelCandidate = {
      kind: "model",
      name,
      config: loaded.config as ModelConfig,
      changedInputs: false,
      async forward(ids, mask, past, extra) {
        const reply = await process.ask("model", [ids, mask, past, extra], fixed);
        if (reply.changed) candidate.changedInputs = true;
        return reply.value;
      },
      async withFixedRandom(body) {
        fixed = true;
        try {
          return await body();
        } finally {
          fixed = false;
        }
      },
      close,
    };
    return candidate;
  }
  process.end();
  throw new FileError({
    where: "check",
    argument: name,
    got: `exports ${loaded.exports?.length ? loaded.exports.join(", ") : "nothing"}`,
    expected:
      "a default export (q, k, v, options) => output, or { config, forward } of a model, or { heads, weights, forward } of a multi-head module",
    fix: "add `export default myAttention`",
  });
}
