/** @file `qkv onnx FILE`: what attention an ONNX file has, and a copy of the file that gives it as outputs. */
import { Command, Option } from "commander";
import pc from "picocolors";
import type { AttentionKind } from "../attention/listen.js";
import { type AttentionInfo, inspectOnnx, type PortInfo, writeExposed } from "../onnx/index.js";
import { OptionError } from "../tensor/index.js";

interface Options {
  output?: string;
  stats?: boolean;
  maps?: boolean;
  layers?: number[];
  heads?: number[];
  kinds?: AttentionKind[];
  delimiters?: number[];
  json?: boolean;
}

export function command(): Command {
  return new Command("onnx")
    .argument("<FILE>", "an .onnx file of any exporter")
    .option(
      "-o, --output <FILE>",
      "write a copy that gives its attention as outputs: attentions.N, cross_attentions.N …",
    )
    .option(
      "--stats",
      "in the copy: statistics computed in the graph (entropy, mass on the first token and on the diagonal)",
    )
    .option("--maps", "in the copy: the maps as well as the statistics")
    .option("--layers <LIST>", "in the copy: these layers only, e.g. 0,5", numbers("--layers"))
    .option("--heads <LIST>", "in the copy: these heads only", numbers("--heads"))
    .addOption(
      new Option("--kinds <LIST>", "in the copy: these kinds only").argParser(
        (v: string) => v.split(",") as AttentionKind[],
      ),
    )
    .option(
      "--delimiters <LIST>",
      "with --stats: token ids whose mass is summed, e.g. 101,102",
      numbers("--delimiters"),
    )
    .option("--json", "print { attentions, inputs, outputs }")
    .addHelpText(
      "after",
      `
Examples:
  qkv onnx model.onnx                          what attention there is, and where
  qkv onnx model.onnx -o with-attention.onnx   the same model with its maps as outputs
  qkv onnx model.onnx -o stats.onnx --stats    only numbers per token: for long texts`,
    )
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const { attentions, inputs, outputs, softmaxes } = await inspectOnnx(file);
  if (options.stats && !options.output) {
    throw new OptionError({
      where: "qkv onnx",
      argument: "--stats",
      got: "is given without -o",
      expected: "a file to write",
      fix: `qkv onnx ${file} -o stats.onnx --stats`,
    });
  }
  const added = options.output ? await writeExposed(file, options.output, exposeOptions(options)) : undefined;
  if (options.json) {
    console.log(
      JSON.stringify({ attentions, inputs, outputs, ...(added && { written: options.output, added }) }, null, 2),
    );
    return;
  }
  if (attentions.length === 0) console.log(`${file}: no attention in this graph: ${whyNone(softmaxes)}.`);
  else for (const line of table(attentions)) console.log(line);
  for (const line of ports("inputs", inputs).concat(ports("outputs", outputs))) console.log(line);
  if (added)
    console.log(
      added.length > 0
        ? `\nwrote ${options.output} with ${added.length} more outputs: ${added.slice(0, 3).join(", ")}${added.length > 3 ? ", …" : ""}`
        : `\nwrote ${options.output}, unchanged`,
    );
}

/** What was seen instead, so that "none" can be judged. */
const whyNone = (softmaxes: number): string =>
  softmaxes === 0
    ? "there is no softmax in it"
    : `none of its softmaxes (${softmaxes}) stands between a product of two computed tensors and one with values`;

const exposeOptions = ({ stats, maps, layers, heads, kinds, delimiters }: Options) => ({
  layers,
  heads,
  kinds,
  delimiters,
  statistics: stats ?? false,
  ...((maps !== undefined || stats) && { maps: maps ?? false }),
});

/** A list of whole numbers, "0,5". */
function numbers(option: string): (text: string) => number[] {
  return (text) =>
    text.split(",").map((part) => {
      const n = Number(part);
      if (part.trim() !== "" && Number.isInteger(n) && n >= 0) return n;
      throw new OptionError({
        where: "qkv onnx",
        argument: option,
        got: `is "${text}"`,
        expected: "whole numbers with commas between, e.g. 0,5",
      });
    });
}

function table(attentions: readonly AttentionInfo[]): string[] {
  const rows = attentions.map((a) => [
    a.kind,
    String(a.layer),
    String(a.heads ?? "?"),
    a.confidence,
    a.source,
    a.tapped,
  ]);
  const head = ["kind", "layer", "heads", "confidence", "read from", "tapped"];
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((c, i) => (i === cells.length - 1 ? c : c.padEnd(width[i]!))).join("  ");
  return [pc.dim(line(head)), ...rows.map(line), ""];
}

function ports(title: string, list: readonly PortInfo[]): string[] {
  return list.map(
    (p, i) =>
      `${pc.dim((i === 0 ? title : "").padEnd(8))} ${p.name}  ${pc.dim(`${p.type} [${p.shape?.map((d) => d ?? "?").join(", ") ?? "…"}]`)}`,
  );
}
