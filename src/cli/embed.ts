/** @file `qkv embed`: vectors of texts, and how alike they are. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { OptionError } from "../tensor/index.js";
import { openModel } from "./shared/model.js";

export function command(): Command {
  return new Command()
    .argument("<model>", "a folder or hub id of an encoder: all-MiniLM-L6-v2")
    .argument("[text...]", "the texts; with none, one a line from standard input")
    .option("--similar", "how alike each two texts are (cosine), instead of the vectors")
    .option("--mode <mode>", "mean, weightedMean, cls, last or max; default: as the model's folder says")
    .option("--weights <format>", "f32 (default), f16, bf16 or int8: how weights are held")
    .option("--json", "as JSON")
    .addHelpText("after", '\nExample:\n  qkv embed ./all-MiniLM-L6-v2 "a cat" "a kitten" "a truck" --similar')
    .action(run);
}

const modes = ["mean", "weightedMean", "cls", "last", "max"] as const;

interface Options {
  similar?: boolean;
  mode?: string;
  weights?: string;
  json?: boolean;
}

async function run(name: string, given: string[], { similar, mode, weights, json }: Options): Promise<void> {
  if (mode !== undefined && !(modes as readonly string[]).includes(mode)) {
    throw new OptionError({ where: "qkv", argument: "--mode", got: `is "${mode}"`, expected: modes.join(", ") });
  }
  const texts = given.length > 0 ? given : readFileSync(0, "utf8").split("\n").filter(Boolean);
  if (texts.length === 0) {
    throw new OptionError({ where: "qkv", argument: "TEXT", got: "is missing", expected: "at least one text" });
  }
  const model = await openModel(name, weights);
  const vectors = model.embed(texts, { ...(mode && { mode: mode as (typeof modes)[number] }) });
  const d = vectors.shape[1]!;
  const rows = texts.map((_, i) => [...vectors.data.subarray(i * d, (i + 1) * d)]);
  if (similar) {
    const table = rows.map((a) => rows.map((b) => cosine(a, b)));
    if (json) console.log(JSON.stringify({ texts, cosine: table }));
    else
      for (const [i, row] of table.entries())
        console.log(`${row.map((x) => x.toFixed(3).padStart(6)).join(" ")}  ${texts[i]}`);
  } else if (json) console.log(JSON.stringify(rows.map((vector, i) => ({ text: texts[i], vector }))));
  else for (const row of rows) console.log(row.map((x) => Number(x.toPrecision(7))).join(" "));
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b) || 1);
}
