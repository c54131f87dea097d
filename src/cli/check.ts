/** @file `qkv check`: what is wrong with an attention, by name. */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { relative } from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import {
  checkCandidate,
  explain,
  openCandidate,
  openProgram,
  ruleOf,
  rules,
  toJunit,
  toSarif,
  toText,
} from "../check/index.js";
import type { Report } from "../check/types.js";
import { OptionError } from "../tensor/index.js";
import { writeSafely } from "./shared/files.js";
import { whole } from "./shared/numbers.js";
import { Exit } from "./shared/run.js";

export function command(): Command {
  const list = (value: string, before: string[] = []) => [...before, ...value.split(",").filter((x) => x !== "")];
  return new Command()
    .argument("[target]", "a .js or .ts module, a .py program, an .onnx file, a model's folder, or an http:// endpoint")
    .option("--command <line>", "a program that speaks the protocol on standard input and output")
    .option("--rule <ids>", "only these rules, separated by commas", list)
    .option("--skip <ids>", "all but these rules", list)
    .option("--seed <n>", "seed of the probes", whole("--seed"), 1)
    .option("--time-limit <seconds>", "how long one call may take", seconds, 10)
    .option("--scale <factor>", "the scale the function is meant to use by default, when it is not 1/√D", factor)
    .option("--json [file]", "the report as JSON, on standard output or in a file")
    .option("--sarif [file]", "the report as SARIF 2.1.0")
    .option("--junit [file]", "the report as JUnit XML")
    .option("--list", "every rule in a line")
    .option("--explain <rule>", "what a rule means, with a wrong and a right snippet")
    .addHelpText(
      "after",
      `
The module's default export is the attention function (q, k, v, { causal, mask, scale, keyPadding }) => output, with
tensors as { data, shape }; or it exports { config: { vocabSize, causal }, forward(ids, attentionMask) } of a model.

  qkv check my-attention.ts
  qkv check my-attention.ts --json | jq '.findings[0].rule'
  qkv check http://localhost:8000/attention
  qkv check --explain mask-head-order

Exit code: 0 no error, 1 an error was found, 2 it could not be checked.`,
    )
    .action(run);
}

interface Options {
  command?: string;
  rule?: string[];
  skip?: string[];
  seed: number;
  timeLimit: number;
  scale?: number;
  json?: string | true;
  sarif?: string | true;
  junit?: string | true;
  list?: boolean;
  explain?: string;
}

async function run(target: string | undefined, options: Options): Promise<void> {
  if (options.list) return listRules(options.json !== undefined);
  if (options.explain !== undefined) return explainRule(options.explain);
  const name = target ?? options.command;
  if (name === undefined) {
    throw new OptionError({
      where: "check",
      argument: "TARGET",
      got: "is missing",
      expected: "a module, a program, a file, a folder or an endpoint",
      fix: "qkv check my-attention.ts; qkv check --help lists what can be checked",
    });
  }
  const limit = options.timeLimit * 1000;
  const candidate = options.command
    ? await openProgram(wordsOf(options.command), name, limit)
    : await openCandidate(name, limit);
  try {
    const report = await checkCandidate(candidate, {
      seed: options.seed,
      timeLimit: limit,
      ...(options.rule ? { rules: options.rule } : {}),
      ...(options.skip ? { skip: options.skip } : {}),
      ...(options.scale === undefined ? {} : { scale: options.scale }),
      onProgress: progress(),
    });
    write(report, name, options);
    if (!report.ok) throw new Exit(1);
  } finally {
    await candidate.close?.();
  }
}

function write(report: Report, name: string, options: Options): void {
  const { ok, findings, tested, notTested } = report;
  const uri = /^https?:/.test(name) ? name : relative(process.cwd(), name).replaceAll("\\", "/");
  const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
  const forms: [string | true | undefined, () => string][] = [
    [
      options.json,
      () =>
        `${JSON.stringify({ ok, findings, tested, notTested, candidate: report.candidate, seed: report.seed }, numbers, 2)}\n`,
    ],
    [options.sarif, () => `${JSON.stringify(toSarif(report, rules, uri, version), null, 2)}\n`],
    [options.junit, () => toJunit(report)],
  ];
  let said = false;
  for (const [where, form] of forms) {
    if (where === true) {
      process.stdout.write(form());
      said = true;
    } else if (where !== undefined) writeSafely(where, (file) => writeFileSync(file, form()));
  }
  if (!said) process.stdout.write(`${toText(report, pc.createColors(colours()))}\n`);
}

/** JSON has no NaN: it is written as a word rather than as null. */
function numbers(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

const colours = (): boolean =>
  pc.isColorSupported && (process.stdout.isTTY === true || Boolean(process.env["FORCE_COLOR"]));

/** The rule being tested, on one line of stderr; silent when that is no terminal. */
function progress(): (done: number, total: number, rule: string) => void {
  if (!process.stderr.isTTY) return () => undefined;
  return (done, total, rule) =>
    process.stderr.write(done === total ? "\r\u001b[K" : `\r\u001b[K${done + 1}/${total} ${rule}`);
}

function listRules(json: boolean): void {
  if (json) {
    console.log(
      JSON.stringify(
        rules.map(({ id, severity, says, aliases }) => ({ id, severity, says, ...(aliases ? { aliases } : {}) })),
      ),
    );
    return;
  }
  const width = Math.max(...rules.map((r) => r.id.length));
  for (const r of rules) console.log(`${pc.bold(r.id.padEnd(width))}  ${r.says}`);
}

function explainRule(id: string): void {
  const rule = ruleOf(id);
  if (!rule) {
    throw new OptionError({
      where: "check",
      argument: "--explain",
      got: `names the rule "${id}", which does not exist`,
      expected: "an id of the catalogue",
      fix: "qkv check --list names all of them",
    });
  }
  console.log(explain(rule));
}

/** Splits a command line at spaces outside of quotes. */
function wordsOf(line: string): string[] {
  return Array.from(line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g), (m) => m[1] ?? m[2] ?? m[3]!);
}

function seconds(text: string): number {
  const n = Number(text);
  if (n > 0 && n <= 3600) return n;
  throw new OptionError({
    where: "check",
    argument: "--time-limit",
    got: `is "${text}"`,
    expected: "seconds, more than 0 and at most 3600",
  });
}

function factor(text: string): number {
  const n = Number(text);
  if (Number.isFinite(n) && n !== 0) return n;
  throw new OptionError({
    where: "check",
    argument: "--scale",
    got: `is "${text}"`,
    expected: "a number other than 0",
  });
}
