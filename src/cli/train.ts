/** @file `qkv train`: the sequence lab, a head that forms, and the bundled model. */
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { OptionError } from "../tensor/index.js";
import {
  type HeadFormsStep,
  headForms,
  labHtml,
  type LabRun,
  labSvg,
  runLab,
  type SequenceModelKind,
  sequenceModelKinds,
} from "../training/index.js";
import { writeSafely } from "./shared/files.js";
import { decimal, whole } from "./shared/numbers.js";
import { progress } from "./shared/train-progress.js";

const tasks = ["recall", "copy", "heads", "bundled"] as const;

export function command(): Command {
  return new Command()
    .requiredOption(
      "--task <task>",
      "recall, copy (why attention), heads (watch one form), bundled (the model of this package)",
    )
    .option("--model <kind>", "rnn, lstm, gru, attention, or all: equal weights, equal steps", "all")
    .option(
      "--steps <n>",
      "steps; default: recall and copy 600, heads 600, bundled as its recipe says",
      whole("--steps", 1),
    )
    .option("--distance <n>", "the furthest an answer lies back", whole("--distance", 2), 32)
    .option("--parameters <n>", "weights of each model", whole("--parameters", 500), 8000)
    .option("--rows <n>", "rows a step", whole("--rows", 1), 32)
    .option("--learning-rate <x>", "size of a step", decimal("--learning-rate"), 3e-3)
    .option("--no-scale", "attention without its factor 1/√d, to see what it is for")
    .option("--seed <n>", "where random numbers start", whole("--seed"), 1)
    .option("--svg <file>", "write loss, accuracy and slope by distance as SVG")
    .option("--html <file>", "write the same as one page with its numbers")
    .option("--json [file]", "all numbers as JSON, on standard output or in a file")
    .option("--checkpoint <file>", "bundled: where the run is kept, and taken up again", "bundled-run.safetensors")
    .option("--output <folder>", "bundled: where the model goes", "models/bundled")
    .addHelpText(
      "after",
      `
  qkv train --task recall --model lstm            one model
  qkv train --task recall --html why.html         all four, and a page that compares them
  qkv train --task heads                          induction appears within some dozen steps
  qkv train --task bundled                        three quarters of an hour on a quiet core; stop and resume at will`,
    )
    .action(async (options: Options) => {
      const task = oneOf("--task", options.task, tasks);
      if (task === "bundled") await bundled(options);
      else if (task === "heads") await heads(options);
      else await lab(task, options);
    });
}

interface Options {
  task: string;
  model: string;
  steps?: number;
  distance: number;
  parameters: number;
  rows: number;
  learningRate: number;
  scale: boolean;
  seed: number;
  svg?: string;
  html?: string;
  json?: string | true;
  checkpoint: string;
  output: string;
}

async function lab(task: "recall" | "copy", options: Options): Promise<void> {
  const model = oneOf("--model", options.model, [...sequenceModelKinds, "all"] as const);
  const kinds: readonly SequenceModelKind[] = model === "all" ? sequenceModelKinds : [model];
  const { steps = 600, scale, ...rest } = options;
  const runs: LabRun[] = [];
  for (const kind of kinds) {
    const bar = progress(kind, steps);
    const { distance, parameters, rows, learningRate, seed } = rest;
    const lone = {
      task,
      distance,
      parameters,
      rows,
      learningRate,
      seed,
      steps,
      model: kind,
      ...(!scale && { scale: 1 }),
    };
    runs.push(await runLab(lone, ({ step, loss }) => bar.at(step, `loss ${loss.toFixed(3)}`)));
    bar.end();
  }
  write(options.svg, () => labSvg(runs));
  write(options.html, () => labHtml(runs));
  say(options, runs, () => labLines(runs));
}

function labLines(runs: readonly LabRun[]): string {
  const distances = runs[0]!.looks.at(-1)!.accuracyByDistance.map((a) => a.distance);
  const shown = distances.filter((_, n) => n % Math.ceil(distances.length / 8) === 0 || n === distances.length - 1);
  const row = (cells: string[]): string => cells.map((c, n) => (n === 0 ? c.padEnd(10) : c.padStart(8))).join("");
  const by = (run: LabRun, key: "accuracyByDistance" | "gradientByDistance", words: (x: number) => string): string[] =>
    shown.map((d) => words(run.looks.at(-1)![key].find((a) => a.distance === d)?.value ?? Number.NaN));
  const percent = (x: number): string => `${Math.round(100 * x)} %`;
  return [
    row(["right", "weights", "loss", "all", ...shown.map((d) => `−${d}`)]),
    ...runs.map((r) =>
      row([
        r.model,
        String(r.parameters),
        tailLoss(r).toFixed(2),
        percent(r.looks.at(-1)!.accuracy),
        ...by(r, "accuracyByDistance", percent),
      ]),
    ),
    "",
    row(["slope", "", "", "", ...shown.map((d) => `−${d}`)]),
    ...runs.map((r) => row([r.model, "", "", "", ...by(r, "gradientByDistance", (x) => x.toExponential(0))])),
  ].join("\n");
}

/** Mean over the last twentieth. */
function tailLoss({ losses }: LabRun): number {
  const tail = losses.slice(-Math.max(1, Math.floor(losses.length / 20)));
  return tail.reduce((sum, l) => sum + l.loss, 0) / tail.length;
}

async function heads(options: Options): Promise<void> {
  const { steps = 600, seed } = options;
  const bar = progress("heads", steps);
  const looks: HeadFormsStep[] = [];
  for await (const step of headForms({ steps, seed })) {
    bar.at(step.step, `loss ${step.loss.toFixed(3)}`);
    if (step.scores) looks.push(step);
  }
  bar.end();
  const numbers = looks.map(({ maps: _maps, ...rest }) => rest);
  say(options, numbers, () =>
    [
      "  step    loss  previous-token head   induction head",
      ...looks
        .filter((_, n) => n % 3 === 0 || n === looks.length - 1)
        .map(({ step, loss, previous, induction }) => {
          const at = (name: "previous" | "induction", s = { previous, induction }[name]!): string =>
            `${s[name].toFixed(2)} (layer ${s.layer}, head ${s.head})`;
          const said = Number.isNaN(loss) ? "" : loss.toFixed(3);
          return `${String(step).padStart(6)}${said.padStart(8)}  ${at("previous")}${" ".repeat(3)}${at("induction")}`;
        }),
    ].join("\n"),
  );
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
    options,
    last,
    () =>
      `${options.output}: ${(bytes / 1e6).toFixed(1)} MB after ${last?.step ?? 0} steps. See it: qkv explore ${options.output}`,
  );
}

function oneOf<T extends string>(argument: string, value: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw new OptionError({
    where: "qkv train",
    argument,
    got: `is "${value}"`,
    expected: `one of ${allowed.join(", ")}`,
  });
}

function write(file: string | undefined, text: () => string): void {
  if (file !== undefined) writeSafely(file, (path) => writeFileSync(path, text()));
}

/** JSON where it was asked for, else lines for people. */
function say({ json }: Options, value: unknown, lines: () => string): void {
  if (json === undefined) console.log(lines());
  else if (json === true) console.log(JSON.stringify(value));
  else write(json, () => `${JSON.stringify(value)}\n`);
}
