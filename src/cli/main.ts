#!/usr/bin/env node
/** @file The command line: `qkv <command>`. Each command is one file beside this one; no arithmetic happens here. */
import { createRequire } from "node:module";
import type { Command } from "commander";
import { runProgram } from "./shared/run.js";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

/** Commands in the order help lists them; each is loaded only when it is asked for. */
const commands: Record<string, { says: string; load: () => Promise<{ command(): Command }> }> = {
  explore: { says: "see attention in the browser", load: () => import("./explore.js") },
  view: {
    says: "see attention in the terminal, or write it as SVG, PNG, HTML or JSON",
    load: () => import("./view.js"),
  },
  check: { says: "name what is wrong with an attention, a model or a file", load: () => import("./check.js") },
  generate: { says: "continue a text", load: () => import("./generate.js") },
  embed: { says: "vectors of texts, and how alike they are", load: () => import("./embed.js") },
  get: { says: "fetch a model from the hub", load: () => import("./get.js") },
  trace: { says: "record a run of a model into a file", load: () => import("./trace.js") },
  train: {
    says: "why attention: RNN, LSTM, GRU and attention on one task; a head that forms; the bundled model",
    load: () => import("./train.js"),
  },
  bench: { says: "how fast the kernels are here, and where a model's time goes", load: () => import("./bench.js") },
  onnx: { says: "find the attention of an ONNX file; write a copy that gives it", load: () => import("./onnx.js") },
  compare: {
    says: "which efficient attention pays, from what length on, at what error",
    load: () => import("./compare.js"),
  },
};

await runProgram({ version, commands });
