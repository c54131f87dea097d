/**
 * @file PyTorch in a Python process of its own, asked through pipes; its clock runs inside that process, so that a pipe's
 * delay counts against nobody. QKV_PYTHON names the Python that has torch; default `python3`.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Timed } from "../shared/question.js";

interface Answer {
  id?: number;
  ms?: number;
  error?: string;
}

let process_: Peer | undefined;

/** @param files float32 operands, in the order pytorch.py names them */
export async function pytorch(ask: Record<string, unknown>, files: readonly Float32Array[]): Promise<Timed> {
  process_ ??= new Peer();
  const peer = process_;
  const names = files.map((data, n) => peer.file(`${peer.asked}-${n}`, data));
  const { id } = await peer.ask({ ...ask, files: names });
  const result = join(peer.folder, "result");
  return {
    async run() {
      const { ms } = await peer.ask({ run: id });
      return ms!;
    },
    async result() {
      await peer.ask({ run: id });
      await peer.ask({ result: id, file: result });
      const bytes = readFileSync(result);
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    },
  };
}

class Peer {
  asked = 0;
  readonly folder = mkdtempSync(join(tmpdir(), "qkv-bench-"));
  readonly #python: ChildProcessWithoutNullStreams;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  /** Why it is gone, once it is. */
  #gone: string | undefined;

  constructor() {
    const script = fileURLToPath(new URL("pytorch.py", import.meta.url));
    this.#python = spawn(process.env["QKV_PYTHON"] ?? "python3", [script]);
    let says = "";
    this.#python.stderr.on("data", (text: Buffer) => void (says = (says + text.toString()).slice(-400)));
    const ended = (): void => {
      const error = says.trim().split("\n").at(-1) || "no Python here (QKV_PYTHON names one that has torch)";
      this.#gone ??= error;
      for (const tell of this.#waiting.splice(0)) tell({ error });
    };
    this.#python.on("error", ended);
    this.#python.on("exit", ended);
    this.#python.stdin.on("error", ended);
    createInterface({ input: this.#python.stdout }).on("line", (line) =>
      this.#waiting.shift()?.(JSON.parse(line) as Answer),
    );
    process.on("exit", () => {
      this.#python.kill();
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  file(name: string, data: Float32Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return path;
  }

  async ask(question: Record<string, unknown>): Promise<Answer> {
    this.asked++;
    if (this.#gone) throw new Error(`PyTorch: ${this.#gone}`);
    const answer = await new Promise<Answer>((tell) => {
      this.#waiting.push(tell);
      this.#python.stdin.write(`${JSON.stringify(question)}\n`);
    });
    if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
    return answer;
  }
}
