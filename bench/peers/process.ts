/**
 * @file A peer in a process of its own, asked through pipes: a line of JSON asks, a line of JSON answers. Its clock runs
 * inside that process, so that a pipe's delay counts against nobody.
 *
 *     {"prepare": kind, "files": [float32 …], …}     -> {"id": number}
 *     {"turn": id, …TurnLimits}                      -> {"times": [milliseconds, …]}
 *     {"result": id, "file": path}                   -> {}, float32 written
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Timed } from "../shared/question.js";

interface Answer {
  id?: number;
  times?: number[];
  error?: string;
}

export interface Program {
  name: string;
  command: string;
  args: readonly string[];
  /** What to say when the program cannot be started and says nothing itself. */
  absent: string;
}

export class PeerProcess {
  readonly #name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "qkv-bench-"));
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  #files = 0;
  /** Why it is gone, once it is. */
  #gone: string | undefined;

  constructor({ name, command, args, absent }: Program) {
    this.#name = name;
    this.#child = spawn(command, args);
    let says = "";
    this.#child.stderr.on("data", (text: Buffer) => void (says = (says + text.toString()).slice(-400)));
    const ended = (): void => {
      const error = says.trim().split("\n").at(-1) || absent;
      this.#gone ??= error;
      for (const tell of this.#waiting.splice(0)) tell({ error });
    };
    this.#child.on("error", ended);
    this.#child.on("exit", ended);
    this.#child.stdin.on("error", ended);
    createInterface({ input: this.#child.stdout }).on("line", (line) =>
      this.#waiting.shift()?.(JSON.parse(line) as Answer),
    );
    process.on("exit", () => {
      this.#child.kill();
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** @param files float32 operands, in the order that the program names them */
  async prepare(ask: Record<string, unknown>, files: readonly Float32Array[]): Promise<Timed> {
    const names = files.map((data) => this.#file(data));
    const { id } = await this.#ask({ ...ask, files: names });
    for (const name of names) rmSync(name); // read by now
    return {
      turn: async (limits) => (await this.#ask({ turn: id, ...limits })).times!,
      result: async () => {
        const file = join(this.#folder, "result");
        await this.#ask({ result: id, file });
        const bytes = readFileSync(file);
        return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      },
    };
  }

  #file(data: Float32Array): string {
    const path = join(this.#folder, String(this.#files++));
    writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return path;
  }

  async #ask(question: Record<string, unknown>): Promise<Answer> {
    const answer = this.#gone
      ? { error: this.#gone }
      : await new Promise<Answer>((tell) => {
          this.#waiting.push(tell);
          this.#child.stdin.write(`${JSON.stringify(question)}\n`);
        });
    if (answer.error) throw new Error(`${this.#name}: ${answer.error}`);
    return answer;
  }
}
