/** @file `qkv train`: the sequence lab, a head that forms, and the bundled model. */
import { Command } from "commander";
import { OptionError } from "../tensor/index.js";
import { labModels } from "../training/index.js";
import { decimal, whole } from "./shared/numbers.js";
import { Exit } from "./shared/run.js";
import { progress } from "./shared/train-progress.js";
import { modelsOf, type Outputs, say, trainHeads, trainLab } from "./shared/train-runs.js";

const tasks = ["recall", "copy", "heads", "bundled"] as const;
type Task = (typeof tasks)[number];

/** Options that not every task has. */
const belongs: Record<string, readonly Task[]> = {
  model: ["recall", "copy"],
  distance: ["recall", "copy"],
  parameters: ["recall", "copy"],
  rows: ["recall", "copy"],
  learningRate: ["recall", "copy"],
  scale: ["recall", "copy"],
  seed: ["recall", "copy", "heads"],
  svg: ["recall", "copy", "heads"],
  html: ["recall", "copy", "heads"],
  checkpoint: ["bundled"],
  output: ["bundled"],
};

export function command(): Command {
  return new Command()
    .requiredOption(
      "--task <task>",
      "recall, copy (why attention), heads (watch one form), bundled (the model of this package)",
    )
    .option(
      "--model <names>",
      `${labModels.join(", ")} (attention without 1/√d), several with commas, or all: equal weights, equal steps`,
      "all",
    )
    .option(
      "--steps <n>",
      "steps; default: recall and copy 600, heads 600, bundled as its recipe says",
      whole("--steps", 1),
    )
    .option("--distance <n>", "the furthest an answer lies back", whole("--distance", 2), 32)
    .option("--parameters <n>", "weights of each model", whole("--parameters", 500), 8000)
    .option("--rows <n>", "rows a step", whole("--rows", 1), 32)
    .option("--learning-rate <x>", "size of a step", decimal("--learning-rate"), 3e-3)
    .option("--no-scale", "beside attention also attention without its factor 1/√d, to see what it is for")
    .option("--seed <n>", "where random numbers start", whole("--seed"), 1)
    .option("--svg <file>", "write loss, right answers and slopes by distance (heads: loss and scores) as SVG")
    .option("--html <file>", "write the same as one page with its numbers")
    .option("--json [file]", "all numbers as JSON, on standard output or in a file")
    .option("--checkpoint <file>", "bundled: where the run is kept, and taken up again", "bundled-run.safetensors")
    .option("--output <folder>", "bundled: where the model goes", "models/bundled")
    .addHelpText(
      "after",
      `
  qkv train --task recall --model lstm                 one model
  qkv train --task recall --html why.html              all four, and a page that compares them
  qkv train --task copy --model attention,unscaled     with and without 1/√d
  qkv train --task heads --html head.html              induction appears within some dozen steps
  qkv train --task bundled                             three quarters of an hour on a quiet core; stop and resume at will

Ctrl+C stops after the step it is at; what was learned until then is reported and written.`,
    )
    .action(async (options: Options, cmd: Command) => {
      const task = taskOf(options.task);
      for (const [name, own] of Object.entries(belongs))
        if (cmd.getOptionValueSource(name) === "cli" && !own.includes(task)) throw foreign(name, task, own);
      if (task === "bundled") return bundled(options);
      await stoppable((signal) => {
        if (task === "heads") return trainHeads(options, signal);
        const models = modelsOf(options.model);
        if (!options.scale && !models.includes("unscaled")) models.push("unscaled");
        return trainLab({ ...options, task, models }, signal);
      });
    });
}

interface Options extends Outputs {
  task: string;
  model: string;
  steps?: number;
  distance: number;
  parameters: number;
  rows: number;
  learningRate: number;
  scale: boolean;
  seed: number;
  checkpoint: string;
  output: string;
}

/** The first Ctrl+C stops the work, which then says what it has; the second ends the program. */
async function stoppable(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const control = new AbortController();
  const stop = (): void => {
    process.stderr.write("\nStopping after this step.\n");
    control.abort();
  };
  process.once("SIGINT", stop);
  try {
    await work(control.signal);
  } finally {
    process.off("SIGINT", stop);
  }
  if (control.signal.aborted) throw new Exit(130);
}

function taskOf(given: string): Task {
  const task = tasks.find((t) => t === given);
  if (task) return task;
  throw new OptionError({
    where: "qkv train",
    argument: "--task",
    got: `is "${given}"`,
    expected: `one of ${tasks.join(", ")}`,
  });
}

function foreign(name: string, task: Task, own: readonly Task[]): OptionError {
  const flag = name === "scale" ? "--no-scale" : `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
  return new OptionError({
    where: "qkv train",
    argument: flag,
    got: `does nothing for --task ${task}`,
    expected: `it with --task ${own.join(" or ")}`,
    fix: `leave ${flag} out`,
  });
}

async function bundled(options: Options): Promise<void> {
  const { trainBundled } = await import("../training/bundled/run.js");
  const { exportBundled } = await import("../training/bundled/export.js");
  let bar: ReturnType<typeof progress> | undefined;
  const run = trainBundled({
    checkpoint: options.checkpoint,
    ...(options.steps !== undefined && { steps: options.steps }),
    onStage: (says) => process.stderr.write(`${says} …\n`),
    onStep: (step, steps, loss) => {
      bar ??= progress("bundled", steps);
      bar.at(step, `loss ${loss.toFixed(3)}`);
    },
    onLook: ({ step, perCharacter, previous, induction }) =>
      bar?.note(
        `step ${step}: ${perCharacter.toFixed(3)} nats a character, previous-token ${previous.previous.toFixed(2)}, induction ${induction.induction.toFixed(2)}`,
      ),
  });
  bar?.end();
  const bytes = exportBundled(run, options.output);
  const last = run.looks.at(-1);
  say(
    options.json,
    last,
    () =>
      `${options.output}: ${(bytes / 1e6).toFixed(1)} MB after ${last?.step ?? 0} steps. See it: qkv explore ${options.output}`,
  );
}
