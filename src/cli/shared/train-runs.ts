/** @file What `qkv train` runs for the sequence lab and for the forming head, and what it says of them. */
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { OptionError } from "../../tensor/index.js";
import {
  type HeadFormsStep,
  headForms,
  headsHtml,
  headsSummary,
  headsSvg,
  labHtml,
  type LabModel,
  labModels,
  labNames,
  type LabRun,
  labSvg,
  runLab,
  summary,
  tailLoss,
} from "../../training/index.js";
import { writeSafely } from "./files.js";
import { progress } from "./train-progress.js";

/** Where results go: files, or standard output. */
export interface Outputs {
  svg?: string;
  html?: string;
  json?: string | true;
}

export interface LabAsked extends Outputs {
  task: "recall" | "copy";
  models: readonly LabModel[];
  steps?: number;
  distance: number;
  parameters: number;
  rows: number;
  learningRate: number;
  seed: number;
}

/** Models one after the other; what was learned when the signal comes is reported. */
export async function trainLab(asked: LabAsked, signal: AbortSignal): Promise<void> {
  const { task, models, steps = 600, distance, parameters, rows, learningRate, seed, svg, html, json } = asked;
  writable({ svg, html, json });
  const runs: LabRun[] = [];
  for (const model of models) {
    if (signal.aborted) break;
    const bar = progress(labNames[model].full, steps);
    runs.push(
      await runLab(
        { task, model, steps, distance, parameters, rows, learningRate, seed },
        ({ step, loss }) => bar.at(step, `loss ${loss.toFixed(3)}`),
        signal,
      ),
    );
    bar.end();
  }
  const left = models.slice(runs.length).map((m) => labNames[m].full);
  if (left.length > 0) process.stderr.write(`Not trained: ${left.join(", ")}.\n`);
  write(svg, () => labSvg(runs));
  write(html, () => labHtml(runs));
  say(json, runs, () => labLines(runs));
}

export interface HeadsAsked extends Outputs {
  steps?: number;
  seed: number;
}

/** Two layers of attention on repeated tokens; what was learned when the signal comes is reported. */
export async function trainHeads({ steps = 600, seed, ...to }: HeadsAsked, signal: AbortSignal): Promise<void> {
  writable(to);
  const bar = progress("heads", steps);
  const made: HeadFormsStep[] = [];
  for await (const step of headForms({ steps, seed })) {
    bar.at(step.step, `loss ${step.loss.toFixed(3)}`);
    made.push(step);
    if (signal.aborted) break;
  }
  bar.end();
  write(to.svg, () => headsSvg(made, { seed }));
  write(to.html, () => headsHtml(made, { seed }));
  const looks = made.filter((s) => s.scores);
  say(
    to.json,
    looks.map(({ maps: _maps, ...rest }) => rest),
    () => `${headLines(looks)}\n\n${headsSummary(made)}`,
  );
}

/** Names of models, given as one word, several with commas between them, or "all". */
export function modelsOf(given: string): LabModel[] {
  if (given === "all") return labModels.filter((m) => m !== "unscaled");
  const names = given.split(",").map((n) => n.trim());
  const unknown = names.find((n) => !(labModels as readonly string[]).includes(n));
  if (unknown !== undefined) {
    throw new OptionError({
      where: "qkv train",
      argument: "--model",
      got: `is "${unknown}"`,
      expected: `all, or any of ${labModels.join(", ")}, with commas between them`,
    });
  }
  return [...new Set(names)] as LabModel[];
}

function labLines(runs: readonly LabRun[]): string {
  const distances = runs[0]!.looks.at(-1)!.accuracyByDistance.map((a) => a.distance);
  const shown = distances.filter((_, n) => n % Math.ceil(distances.length / 8) === 0 || n === distances.length - 1);
  const row = (cells: string[]): string => cells.map((c, n) => (n === 0 ? c.padEnd(12) : c.padStart(8))).join("");
  const by = (list: LabRun["looks"][number]["accuracyByDistance"], words: (x: number) => string): string[] =>
    shown.map((d) => words(list.find((a) => a.distance === d)?.value ?? Number.NaN));
  const percent = (x: number): string => (Number.isNaN(x) ? "–" : `${Math.round(100 * x)} %`);
  const small = (x: number): string => (Number.isNaN(x) ? "–" : x.toExponential(0));
  const slopes = (title: string, n: number): string[] => [
    row([title, "", "", "", ...shown.map((d) => `−${d}`)]),
    ...runs.map((r) => row([r.model, "", "", "", ...by(r.looks.at(n)!.gradientByDistance, small)])),
  ];
  return [
    row(["right", "weights", "loss", "all", ...shown.map((d) => `−${d}`)]),
    ...runs.map((r) =>
      row([
        r.model,
        String(r.parameters),
        Number.isNaN(tailLoss(r)) ? "–" : tailLoss(r).toFixed(2),
        percent(r.looks.at(-1)!.accuracy),
        ...by(r.looks.at(-1)!.accuracyByDistance, percent),
      ]),
    ),
    "",
    ...slopes("slope, before", 0),
    "",
    ...slopes("slope, now", -1),
    "",
    summary(runs),
  ].join("\n");
}

function headLines(looks: readonly HeadFormsStep[]): string {
  return [
    "  step    loss  previous-token head   induction head",
    ...looks
      .filter((_, n) => n % 3 === 0 || n === looks.length - 1)
      .map(({ step, loss, previous, induction }) => {
        const at = (name: "previous" | "induction", s = { previous, induction }[name]!): string =>
          `${s[name].toFixed(2)} (layer ${s.layer}, head ${s.head})`;
        const said = Number.isNaN(loss) ? "" : loss.toFixed(3);
        return `${String(step).padStart(6)}${said.padStart(8)}  ${at("previous")}${" ".repeat(3)}${at("induction")}`;
      }),
  ].join("\n");
}

/** Files that cannot be written are named before the training and not after it. @throws {OptionError} */
function writable({ svg, html, json }: Outputs): void {
  for (const [name, file] of Object.entries({ svg, html, json })) {
    if (typeof file !== "string") continue;
    const refuse = (got: string): never => {
      throw new OptionError({ where: "qkv train", argument: `--${name} ${file}`, got, fix: "give another name" });
    };
    if (existsSync(file) && statSync(file).isDirectory()) refuse("is a folder");
    const trial = `${file}.trial`;
    try {
      writeSafely(trial, (path) => writeFileSync(path, ""));
      rmSync(trial);
    } catch (error) {
      refuse(`cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    }
  }
}

function write(file: string | undefined, text: () => string): void {
  if (file !== undefined) writeSafely(file, (path) => writeFileSync(path, text()));
}

/** JSON where it was asked for, else lines for people. */
export function say(json: string | true | undefined, value: unknown, lines: () => string): void {
  if (json === undefined) console.log(lines());
  else if (json === true) console.log(JSON.stringify(value));
  else write(json, () => `${JSON.stringify(value)}\n`);
}
