/**
 * @file A candidate in another language, over a pipe: one JSON object a line in, one a line out.
 *
 * First the program is asked what it is:
 *     → { "id": 0, "op": "hello" }
 *     ← { "id": 0, "kind": "attention", "runtime": "pytorch" }        or { "id": 0, "kind": "model", "config": { … } }
 * then it is called:
 *     → { "id": 1, "op": "attention", "q": T, "k": T, "v": T, "options": { "causal": true, "mask": T } }
 *     ← { "id": 1, "output": T }                                       or { "id": 1, "error": "what went wrong" }
 *     → { "id": 2, "op": "forward", "ids": [[…]], "attentionMask": [[…]] }
 *     ← { "id": 2, "output": T }
 * T is a tensor as in wire.ts. Lines that are no JSON object are passed on to stderr.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { FileError } from "../../tensor/index.js";
import type { CheckOptions, ModelConfig } from "../types.js";
import { type Candidate, CandidateFailure, within } from "./candidate.js";
import { pack, packOptions, unpack } from "./wire.js";

interface Line {
  id: number;
  error?: string;
  output?: unknown;
  [other: string]: unknown;
}

class Program {
  private readonly words: string[];
  private readonly limit: number;
  private child: ChildProcess | undefined;
  private next = 0;
  private readonly waiting = new Map<number, { resolve: (l: Line) => void; reject: (e: Error) => void }>();

  constructor(words: string[], limit: number) {
    this.words = words;
    this.limit = limit;
  }

  async ask(message: Record<string, unknown>, limit = this.limit): Promise<Line> {
    const child = this.child ?? this.start();
    const id = this.next++;
    try {
      const line = await within(limit, () => {
        return new Promise<Line>((resolve, reject) => {
          this.waiting.set(id, { resolve, reject });
          child.stdin!.write(
            `${JSON.stringify({ id, ...message })}\n`,
            (error) => error && reject(new CandidateFailure("dies", error.message)),
          );
        });
      });
      if (line.error !== undefined) throw new Error(String(line.error));
      return line;
    } catch (error) {
      if (error instanceof CandidateFailure && error.kind === "hangs") this.end();
      throw error;
    } finally {
      this.waiting.delete(id);
    }
  }

  private start(): ChildProcess {
    const [first, ...rest] = this.words;
    const child = spawn(first!, rest, { stdio: ["pipe", "pipe", 2] });
    const gone = (why: string) => {
      if (this.child === child) this.child = undefined;
      for (const { reject } of this.waiting.values()) reject(new CandidateFailure("dies", why));
    };
    child.on("error", (error) => gone(error.message));
    child.on("exit", (code, signal) => gone(`the program ended with ${signal ?? `code ${code}`}`));
    child.stdin!.on("error", () => undefined);
    createInterface({ input: child.stdout! }).on("line", (text) => {
      let line: Line | undefined;
      try {
        line = JSON.parse(text) as Line;
      } catch {
        // Something the program printed.
      }
      const waiting = line && typeof line === "object" ? this.waiting.get(line.id) : undefined;
      if (waiting) waiting.resolve(line!);
      else process.stderr.write(`${text}\n`);
    });
    this.child = child;
    return child;
  }

  end(): void {
    const child = this.child;
    this.child = undefined;
    child?.kill("SIGKILL");
  }
}

/** Starts a program that speaks the protocol. @param words the command and its arguments */
export async function openProgram(words: string[], name: string, limit: number): Promise<Candidate> {
  const program = new Program(words, limit);
  let hello: Line;
  try {
    // Importing a framework takes its time.
    hello = await program.ask({ op: "hello" }, Math.max(60_000, limit));
  } catch (error) {
    program.end();
    throw new FileError({
      where: "check",
      argument: name,
      got: `does not answer: ${(error as Error).message}`,
      expected: 'a line { "id": 0, "kind": "attention" } on standard output for { "id": 0, "op": "hello" }',
      fix: "see examples/check-protocol for a program that speaks the protocol",
    });
  }
  const runtime = hello["runtime"] as CheckOptions["runtime"];
  const common = { name, ...(runtime ? { runtime } : {}), close: () => program.end() };
  if (hello["kind"] === "model") {
    return {
      ...common,
      kind: "model",
      config: hello["config"] as ModelConfig,
      forward: async (ids, attentionMask, past, extra) =>
        unpack(
          (await program.ask({ op: "forward", ids, attentionMask, ...(past === undefined ? {} : { past }), ...extra }))
            .output,
        ),
    };
  }
  return {
    ...common,
    kind: "function",
    call: async (q, k, v, options) =>
      unpack(
        (await program.ask({ op: "attention", q: pack(q), k: pack(k), v: pack(v), options: packOptions(options) }))
          .output,
      ),
  };
}
