/** @file `qkv bench`: how fast the kernels are on this machine, which of them runs and why, and where a model's time goes. */
import { availableParallelism, cpus, loadavg } from "node:os";
import { Command } from "commander";
import {
  defaultKernel,
  type Kernel,
  type KernelName,
  kernelAvailable,
  kernelNames,
  useKernel,
  withOperations,
} from "../kernels/index.js";
import { Profile } from "../kernels/profile.js";
import { OptionError } from "../tensor/index.js";
import { takeTurns, type Timing } from "./shared/measure.js";
import { attentionCallOf, type AttentionProblem, flopOf, numbers, operands, owned } from "../kernels/problems.js";

interface Options {
  kernels?: boolean;
  profile?: string | true;
  seconds: string;
  json?: boolean;
}

export function command(): Command {
  return new Command()
    .option("--kernels", "which kernels can run here, which one does, and why")
    .option("--profile [model]", "share of each operation in a forward pass (default model: bundled)")
    .option("--seconds <n>", "time for each question", "2")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
QKV_KERNEL=portable|relaxed|wide|reference chooses a kernel, QKV_THREADS the number of threads.
Comparisons with other libraries: npm run bench in a clone of the repository.`,
    )
    .action(async (options: Options) => {
      const seconds = Number(options.seconds);
      if (!(seconds > 0)) {
        throw new OptionError({
          where: "bench",
          argument: "--seconds",
          got: `is ${options.seconds}`,
          expected: "a number above 0",
        });
      }
      const report = options.kernels
        ? kernelReport()
        : options.profile
          ? await profileReport(options.profile === true ? "bundled" : options.profile)
          : await speedReport(seconds);
      console.log(options.json ? JSON.stringify(report.data) : report.text);
    });
}

interface Report {
  data: unknown;
  text: string;
}

function conditions(kernel: Kernel): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    node: process.versions.node,
    kernel: kernel.name,
    threads: (kernel as { threads?: number }).threads ?? 1,
    load: Number(loadavg()[0]!.toFixed(1)),
  };
}

/** The command line may switch the wide build on by itself: the process is its own. */
function chosenKernel(): Kernel {
  if (!process.env["QKV_KERNEL"] && kernelAvailable("wide").available) return useKernel("wide");
  return defaultKernel();
}

function kernelReport(): Report {
  const rows = kernelNames.map((name: KernelName) => ({ name, ...kernelAvailable(name) }));
  const kernel = chosenKernel();
  const text = rows.map(
    (r) => `${r.name === kernel.name ? "→" : " "} ${r.name.padEnd(10)} ${r.available ? "yes" : "no "}  ${r.why}`,
  );
  return { data: { chosen: kernel.name, kernels: rows }, text: [...text, line(conditions(kernel))].join("\n") };
}

const line = (facts: Record<string, string | number>): string =>
  Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(" · ");

interface Question {
  name: string;
  flop: number;
  run(): void;
}

function questions(kernel: Kernel): Question[] {
  const base: AttentionProblem = { heads: 12, queries: 512, keys: 512, headDim: 64, causal: false };
  const forward = (name: string, problem: AttentionProblem): Question => {
    const [q, k, v] = operands(problem).map((x) => owned(kernel, x)) as [never, never, never];
    const call = attentionCallOf(problem, [q, k, v]);
    return { name, flop: flopOf(call), run: () => kernel.scope(() => void kernel.attention(call)) };
  };
  const causal = { ...base, causal: true };
  const [q, k, v] = operands(causal).map((x) => owned(kernel, x)) as [never, never, never];
  const call = attentionCallOf(causal, [q, k, v]);
  const saved = kernel.attention(call);
  const slope = owned(kernel, numbers(saved.output.shape, 4));
  const [x, weight] = [owned(kernel, numbers([512, 768], 5)), kernel.pack(numbers([3072, 768], 6))];
  return [
    forward("attention 12 heads × 512 × 64", base),
    forward("the same, causal", causal),
    {
      name: "its slopes",
      flop: 2.5 * flopOf(call),
      run: () => kernel.scope(() => void kernel.attentionBackward(call, saved, slope)),
    },
    forward("window 256 of 4096", { ...causal, queries: 4096, keys: 4096, window: 256 }),
    forward("one query, 2048 keys", { ...base, queries: 1, keys: 2048 }),
    {
      name: "linear 512 × 768 → 3072",
      flop: 2 * 512 * 768 * 3072,
      run: () => kernel.scope(() => void kernel.linear(x, weight)),
    },
  ];
}

async function speedReport(seconds: number): Promise<Report> {
  const kernel = chosenKernel();
  const about = conditions(kernel);
  const rows: (Timing & { gflops: number })[] = [];
  for (const { name, flop, run } of questions(kernel)) {
    const [timing] = await takeTurns([{ name, run }], { seconds });
    rows.push({ ...timing!, gflops: flop / timing!.median / 1e6 });
  }
  const table = rows.map((r) => `${r.name.padEnd(32)} ${ms(r.median)} ${ms(r.p90)} ${r.gflops.toFixed(1).padStart(8)}`);
  const head = `${"".padEnd(32)} ${"median".padStart(12)} ${"p90".padStart(12)} ${"GFLOP/s".padStart(8)}`;
  return { data: { conditions: about, results: rows }, text: [line(about), head, ...table].join("\n") };
}

const ms = (t: number): string => `${t.toFixed(t < 10 ? 3 : 1)} ms`.padStart(12);

/** Operations a model is made of; whatever else takes more than a tenth of its time is marked. */
const MADE_OF = new Set(["linear", "matmul", "attention"]);
const MUCH = 0.1;

/** Passes that are timed, after some that are not. */
const PASSES = 20;
const WARM_UP = 10;

async function profileReport(name: string): Promise<Report> {
  const { loadModel } = await import("../models/index.js");
  const kernel = chosenKernel(); // before the model: it packs its weights for the kernel in force
  const model = await loadModel(name);
  const profile = new Profile(kernel);
  const inputIds = [Array.from({ length: 64 }, (_, n) => 1 + (n % 50))];
  const pass = (): unknown => withOperations(kernel, () => model.forward({ inputIds }));
  for (let n = 0; n < WARM_UP; n++) pass();
  profile.start();
  const begin = performance.now();
  for (let n = 0; n < PASSES; n++) pass();
  const whole = (performance.now() - begin) / PASSES;
  profile.stop();
  const rows = profile.times().map((t) => ({
    ...t,
    calls: t.calls / PASSES,
    milliseconds: t.milliseconds / PASSES,
    share: t.milliseconds / PASSES / whole,
  }));
  const much = rows.filter((r) => !MADE_OF.has(r.operation) && r.share > MUCH).map((r) => r.operation);
  const glue = whole - rows.reduce((sum, r) => sum + r.milliseconds, 0);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(8);
  const table = rows.map(
    (r) =>
      `${r.operation.padEnd(20)} ${String(r.calls).padStart(6)} ${ms(r.milliseconds)} ${percent(r.share)}${much.includes(r.operation) ? "  above 10 %" : ""}`,
  );
  const text = [
    `${name}, 64 tokens: ${whole.toFixed(2)} ms a pass · ${line(conditions(kernel))}`,
    `${"operation".padEnd(20)} ${"calls".padStart(6)} ${"time".padStart(12)} ${"share".padStart(8)}`,
    ...table,
    `${"between operations".padEnd(20)} ${"".padStart(6)} ${ms(glue)} ${percent(glue / whole)}`,
    `above 10 % beside products and attention: ${much.join(", ") || "none"}`,
  ].join("\n");
  return {
    data: {
      model: name,
      tokens: 64,
      milliseconds: whole,
      between: glue,
      operations: rows,
      above: much,
      conditions: conditions(kernel),
    },
    text,
  };
}
