/** @file `qkv compare`: which efficient attention pays for a shape, or for a model and a text; measured, never estimated. */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { type Comparison, type CompareOptions, comparing, type Operands } from "../attention/efficient/compare.js";
import { onWarning } from "../attention/index.js";
import { OptionError } from "../tensor/index.js";
import { comparisonPage, comparisonText } from "./shared/comparison.js";
import { comparisonSvg } from "./shared/comparison-svg.js";
import { writeSafely } from "./shared/files.js";
import { whole } from "./shared/numbers.js";

export function command(): Command {
  return new Command()
    .argument("[model]", "take q, k and v from this model, as --model does; default random numbers")
    .argument("[text]", "what the model reads, as --text does")
    .option(
      "--length <from..to>",
      "lengths in tokens: a range that doubles, or a list such as 512,2048 (default: 512..4096; with a model what it reads, and halves of it)",
    )
    .option("--heads <n>", "heads", whole("--heads", 1), 1)
    .option("--dim <n>", "numbers in a head", whole("--dim", 1), 64)
    .option("--bidirectional", "every token sees every other; default: causal, as a language model")
    .option("--mechanisms <names>", "only these, separated by commas")
    .option("--model <model>", "take q, k and v from a model reading --text (or --file) instead of random numbers")
    .option("--text <text>", "what the model reads")
    .option("--file <file>", "a file with what the model reads")
    .option("--layer <n>", "which layer's attention; default the middle one", whole("--layer"))
    .option("--repeats <n>", "timed runs of each, in turns", whole("--repeats", 1), 5)
    .option("--budget <seconds>", "time for the runs of one mechanism at one length", "2")
    .option("--seed <n>", "where random numbers come from", whole("--seed"), 0)
    .option("--svg <file>", "write the plot as SVG")
    .option("--html <file>", "write table and plot as one page that opens without a network")
    .option("--json", "print what was measured as JSON")
    .addHelpText(
      "after",
      `
error: ‖output − exact‖ / ‖exact‖ on these operands. kept: share of exact attention's weight on keys that are seen.
  qkv compare --length 512..65536 --mechanisms slidingWindow,longformer,performer
  qkv compare bundled "the text it reads" --length 16,32,64
  qkv compare --model bundled --file moby-dick.txt --length 64,128,256`,
    )
    .action((model: string | undefined, text: string | undefined, options: Options) =>
      run(positional(positional(options, "model", model), "text", text)),
    );
}

/** An argument in its option's place. @throws {OptionError} when both are given */
function positional(options: Options, name: "model" | "text", given: string | undefined): Options {
  if (given === undefined) return options;
  if (options[name] === undefined) return { ...options, [name]: given };
  throw new OptionError({
    where: "qkv compare",
    argument: `--${name}`,
    got: `is given twice: "${given}" and "${options[name]}"`,
    expected: "one of them",
  });
}

interface Options {
  length?: string;
  heads: number;
  dim: number;
  bidirectional?: boolean;
  mechanisms?: string;
  model?: string;
  text?: string;
  file?: string;
  layer?: number;
  repeats: number;
  budget: string;
  seed: number;
  svg?: string;
  html?: string;
  json?: boolean;
}

async function run(options: Options): Promise<void> {
  const seconds = Number(options.budget);
  if (!(seconds > 0)) {
    throw new OptionError({
      where: "qkv compare",
      argument: "--budget",
      got: `is "${options.budget}"`,
      expected: "seconds above 0",
    });
  }
  const compared: CompareOptions = {
    lengths: lengthsOf(options.length ?? "512..4096"),
    heads: options.heads,
    headDim: options.dim,
    causal: !options.bidirectional,
    repeats: options.repeats,
    budget: 1000 * seconds,
    seed: options.seed,
    ...(options.mechanisms !== undefined && { mechanisms: options.mechanisms.split(",").map((n) => n.trim()) }),
  };
  const source = options.model === undefined ? undefined : await fromModel(options, compared);
  const comparison = await measure({ ...compared, ...source?.options });
  const said = {
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: availableParallelism(),
      load: loadavg()[0],
      node: process.version,
    },
    ...(source && { model: source.about }),
    ...comparison,
  };
  if (options.svg !== undefined)
    writeSafely(options.svg, (file) => writeFileSync(file, `${comparisonSvg(comparison)}\n`));
  if (options.html !== undefined) writeSafely(options.html, (file) => writeFileSync(file, comparisonPage(said)));
  for (const file of [options.svg, options.html]) if (file !== undefined) console.error(`wrote ${file}`);
  console.log(options.json ? JSON.stringify(said) : comparisonText(said, process.stdout.columns ?? 100));
}

/** "512..4096" doubles from 512 on, and ends at 4096 whatever the doubling says; "512,2048" is a list. */
function lengthsOf(text: string): number[] {
  const refuse = (): never => {
    throw new OptionError({
      where: "qkv compare",
      argument: "--length",
      got: `is "${text}"`,
      expected: "FROM..TO, such as 512..65536, or an ascending list, such as 512,2048",
    });
  };
  const range = /^(\d+)\.\.(\d+)$/.exec(text.trim());
  const list = range ? [] : text.split(",").map((n) => (/^\s*\d+\s*$/.test(n) ? Number(n) : Number.NaN));
  if (range) {
    const [from, to] = [Number(range[1]), Number(range[2])];
    if (from < 1 || to < from) refuse();
    for (let n = from; n < to; n *= 2) list.push(n);
    list.push(to);
  }
  if (list.some((n, i) => !(n > 0) || (i > 0 && n <= list[i - 1]!))) refuse();
  return list;
}

/** What was read, and up to three halves of it, down to 8 tokens; ascending. */
function halves(tokens: number): number[] {
  const lengths = [8, 4, 2].map((part) => Math.floor(tokens / part)).filter((n) => n >= 8);
  return [...new Set([...lengths, tokens])];
}

/** Runs step by step, with a progress bar on stderr where that is a terminal. */
async function measure(options: CompareOptions): Promise<Comparison> {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: "{bar} {value}/{total} {what}",
        clearOnComplete: true,
        hideCursor: true,
        stream: process.stderr,
      })
    : undefined;
  const before = onWarning(() => {}); // a padded length stands among the notes
  try {
    const steps = comparing(options);
    for (let started = false; ; started = true) {
      const step = steps.next();
      if (step.done) return step.value;
      if (!started) bar?.start(step.value.of, 0, { what: "" });
      bar?.update(step.value.done, { what: step.value.what });
      await new Promise((next) => setImmediate(next)); // so that the bar is drawn and Ctrl-C is heard
    }
  } finally {
    bar?.stop();
    onWarning(before);
  }
}

/** q, k and v as a layer of a model has them while it reads a text, cut to each length. */
async function fromModel(options: Options, compared: CompareOptions) {
  if ((options.text === undefined) === (options.file === undefined)) {
    throw new OptionError({
      where: "qkv compare",
      argument: "--model",
      got: options.text === undefined ? "has nothing to read" : "is given both --text and --file",
      expected: "one of --text and --file",
      fix: 'add --text "…" or --file FILE',
    });
  }
  const { modelOperands } = await import("./shared/model-operands.js");
  const text = options.text ?? readFileSync(options.file!, "utf8");
  const longest = compared.lengths.at(-1)!;
  const { operands, layer, tokens, heads, headDim, causal } = await modelOperands(
    options.model!,
    text,
    longest,
    options.layer,
  );
  const fitting: readonly number[] =
    options.length === undefined ? halves(tokens) : compared.lengths.filter((n) => n <= tokens);
  if (fitting.length === 0) {
    throw new OptionError({
      where: "qkv compare",
      argument: "--length",
      got: `is "${options.length}"`,
      expected: `lengths of at most ${tokens}, the tokens the model read`,
      fix: "give a longer text, or shorter lengths",
    });
  }
  return {
    about: { model: options.model, layer, tokens },
    options: { lengths: fitting, heads, headDim, causal, operands: operands as (length: number) => Operands },
  };
}
