/** @file `qkv trace`: a run of a model, kept in a file. */
import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { writeTrace } from "../trace/index.js";
import { writeSafely } from "./shared/files.js";
import { openTrace } from "./shared/source.js";

export function command(): Command {
  return new Command()
    .argument("<model>", "bundled, a folder, a hub id, a .gguf or .onnx file")
    .argument("<text>", "what the model reads")
    .requiredOption("-o, --output <file>", "where the trace goes: a safetensors file, which Python opens too")
    .option("--target <text>", "what an encoder–decoder is to have written")
    .option("--hidden-states", "keep the hidden states of every layer as well")
    .option("--values", "keep v as well, for value-weighted views")
    .option("--json", "say what was written as JSON")
    .action(async (model: string, text: string, options: Options) => {
      const trace = await openTrace(model, text, options);
      const bytes = writeTrace(trace);
      writeSafely(options.output, (file) => writeFileSync(file, bytes));
      const { sequences } = trace.info;
      const said = {
        file: options.output,
        bytes: bytes.length,
        attentions: trace.records.length,
        tokens: sequences[0]?.ids.length ?? 0,
      };
      console.log(
        options.json
          ? JSON.stringify(said)
          : `${said.file}: ${said.attentions} attentions over ${said.tokens} tokens, ${(said.bytes / 1024).toFixed(0)} kB. See it: qkv explore ${said.file}`,
      );
    });
}

interface Options {
  output: string;
  target?: string;
  hiddenStates?: boolean;
  values?: boolean;
  json?: boolean;
}
