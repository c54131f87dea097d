/** @file `qkv view`: who attends to whom, in the terminal or in a file. */
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import type { AttentionKind } from "../attention/index.js";
import { colourDepth } from "../explorer/terminal/colour.js";
import { shownToken } from "../explorer/terminal/label.js";
import { drawMap } from "../explorer/terminal/map.js";
import { drawOverview, headLines, mostTelling } from "../explorer/terminal/overview.js";
import { drawTable } from "../explorer/terminal/table.js";
import { OptionError } from "../tensor/index.js";
import { type Trace, visibleWeights } from "../trace/index.js";
import { writeSafely } from "./shared/files.js";
import { range, whole } from "./shared/numbers.js";
import { openTrace } from "./shared/source.js";

export function command(): Command {
  return new Command()
    .argument("<model>", "bundled, a folder, a hub id, a .gguf or .onnx file, or a trace file")
    .argument("[text]", "what the model reads; a trace file needs none")
    .option("-l, --layer <n>", "layer, from 0", whole("--layer"))
    .option("-h, --head <n>", "head, from 0", whole("--head"))
    .option("-k, --kind <kind>", "self, encoder, decoder or cross")
    .option("--target <text>", "what an encoder–decoder is to have written")
    .option("--rows <from:to>", "only these queries", range("--rows"))
    .option("--columns <from:to>", "only these keys", range("--columns"))
    .option("--top <k>", "how many keys the table names for each query; 0 = no table", whole("--top"), 3)
    .option("--width <columns>", "columns the picture may take; default: the terminal's", whole("--width", 20))
    .option("--svg <file>", "write the map as SVG")
    .option("--png <file>", "write the map as PNG")
    .option("--html <file>", "write one page that opens without a network")
    .option("--json [file]", "numbers as JSON, on standard output or in a file")
    .helpOption("--help", "this text")
    .addHelpText(
      "after",
      `
Without --layer and --head: every head in a line, then the map of the most telling one.
  qkv view bundled "the cat sat on the mat"
  qkv view bundled "the cat sat on the mat" --layer 1 --head 2 --svg cat.svg
  qkv view run.safetensors --json | jq .weights`,
    )
    .action(view);
}

interface Options {
  layer?: number;
  head?: number;
  kind?: string;
  target?: string;
  rows?: [number, number];
  columns?: [number, number];
  top: number;
  width?: number;
  svg?: string;
  png?: string;
  html?: string;
  json?: string | true;
}

async function view(model: string, text: string | undefined, options: Options): Promise<void> {
  const trace = await openTrace(model, text, options);
  const kind = chosenKind(trace, options.kind);
  const depth = colourDepth(process.stdout, process.env);
  const files = [options.svg, options.png, options.html, options.json].filter((x) => x !== undefined);
  const lines = options.layer === undefined || options.head === undefined ? headLines(trace, kind, 0, depth) : [];
  const inLayer = options.layer === undefined ? lines : lines.filter((l) => l.layer === options.layer);
  const telling = lines.length > 0 ? mostTelling(inLayer.length > 0 ? inLayer : lines) : undefined;
  const layer = options.layer ?? telling!.layer;
  const head = options.head ?? (options.layer === undefined || inLayer.length > 0 ? telling!.head : 0);
  const part = partOf(trace, layer, kind, options);
  const { record, rows, columns, rowNames, columnNames } = part;
  const weights = visibleWeights(record, { head, rows, columns });

  if (options.json !== undefined) {
    const said = JSON.stringify(asJson(trace, { kind, layer, head, rows, columns, rowNames, columnNames, weights }));
    if (options.json === true) console.log(said);
    else writeSafely(options.json, (file) => writeFileSync(file, `${said}\n`));
  }
  if (options.svg ?? options.png ?? options.html) {
    const { writePictures } = await import("./shared/pictures.js");
    await writePictures(trace, { kind, layer, head, rows, columns }, options);
  }
  for (const file of [options.svg, options.png, options.html, options.json]) {
    if (typeof file === "string") console.error(`wrote ${file}`);
  }
  if (files.length > 0) return;

  if (options.head === undefined && lines.length > 0) console.log(`${drawOverview(inLayer).join("\n")}\n`);
  console.log(
    `layer ${layer} head ${head}${kind === "self" ? "" : ` (${kind})`} of ${trace.info.model}: a row a query, a column a key, percent of its attention\n`,
  );
  const width = options.width ?? process.stdout.columns ?? 80;
  console.log(drawMap(weights, { width, depth, rows: rowNames, columns: columnNames }).join("\n"));
  if (options.top > 0) console.log(`\n${drawTable(weights, rowNames, columnNames, options.top).join("\n")}`);
}

const kinds: readonly AttentionKind[] = ["self", "encoder", "decoder", "cross"];

function chosenKind(trace: Trace, asked: string | undefined): AttentionKind {
  if (asked === undefined) return trace.kinds.includes("self") ? "self" : (trace.kinds[0] ?? "self");
  if (trace.kinds.includes(asked as AttentionKind)) return asked as AttentionKind;
  if (kinds.includes(asked as AttentionKind)) {
    throw new OptionError({
      where: "qkv view",
      argument: "--kind",
      got: `is "${asked}", which ${trace.info.model} has not`,
      expected: trace.kinds.join(", "),
    });
  }
  throw new OptionError({ where: "qkv view", argument: "--kind", got: `is "${asked}"`, expected: kinds.join(", ") });
}

/** The record, and the rows and columns asked for, cut to what is there. */
function partOf(trace: Trace, layer: number, kind: AttentionKind, options: Options) {
  const record = trace.record(layer, kind);
  const cut = (name: string, asked: [number, number] | undefined, length: number): [number, number] => {
    const [from, to] = asked ?? [0, length];
    if (from < length) return [from, Math.min(to, length)];
    throw new OptionError({
      where: "qkv view",
      argument: name,
      got: `starts at ${from}`,
      expected: `less than ${length}, the tokens there are`,
    });
  };
  const rows = cut("--rows", options.rows, record.queries);
  const columns = cut("--columns", options.columns, record.keys);
  const names = trace.sequences(kind);
  const named = (tokens: readonly string[], [from, to]: [number, number], length: number): string[] =>
    Array.from({ length }, (_, i) => tokens[i] ?? `#${i}`).slice(from, to);
  return {
    record,
    rows,
    columns,
    rowNames: named(names.rows[0]?.tokens ?? [], rows, record.queries),
    columnNames: named(names.columns[0]?.tokens ?? [], columns, record.keys),
  };
}

interface Shown {
  kind: AttentionKind;
  layer: number;
  head: number;
  rows: [number, number];
  columns: [number, number];
  rowNames: string[];
  columnNames: string[];
  weights: Float32Array;
}

/** A pair that may not attend is null: JSON has no NaN, and 0 would say something else. */
function asJson(trace: Trace, { weights, columnNames, rowNames, rows, columns, ...which }: Shown) {
  const width = columnNames.length;
  return {
    model: trace.info.model,
    architecture: trace.info.architecture,
    ...which,
    rows: { from: rows[0], tokens: rowNames, shown: rowNames.map(shownToken) },
    columns: { from: columns[0], tokens: columnNames, shown: columnNames.map(shownToken) },
    weights: rowNames.map((_, i) =>
      Array.from(weights.subarray(i * width, (i + 1) * width), (w) => (Number.isNaN(w) ? null : w)),
    ),
  };
}
