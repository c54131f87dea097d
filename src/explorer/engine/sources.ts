/** @file Where runs come from: a model that runs, a trace that was recorded, heads made by plan. */
import type { Tensor } from "../../tensor/index.js";
import { OptionError } from "../../tensor/index.js";
import type { Trace } from "../../trace/index.js";
import type { CallOptions, Edit, GenerationStep, Guess, Kind, ModelCard } from "./protocol.js";
import { cut, type PlannedHead, syntheticTrace } from "./synthetic.js";

export interface RunResult {
  trace: Trace;
  /** The text that was read; a trace brings its own. */
  text: string;
  notes: string[];
}

export interface Source {
  card: ModelCard;
  /** Loads what is needed; again is free. */
  open(options: CallOptions): Promise<void>;
  run(text: string, edits: Edit[]): Promise<RunResult>;
  /** The text of a vocabulary id. */
  word?(id: number): string;
  generate?(
    asked: { text: string; tokens: number; temperature: number; seed: number },
    options: CallOptions & { onStep?: (step: GenerationStep) => void },
    breathe: () => Promise<void>,
  ): Promise<string>;
  lens?(result: RunResult, top: number): { layer: number; rows: Guess[][] }[];
  /** The output projection of a head, [width, Dv], for value-weighted views. */
  outputProjection?(layer: number, head: number, kind: Kind): Tensor | undefined;
  /** The model itself, for labs. */
  model?: unknown;
  /** The latest generation, as its cache left it. */
  written?: RunResult;
}

export function traceSource(trace: Trace, name: string): Source {
  const { info } = trace;
  const kind = trace.kinds[0]!;
  const text = info.sequences[0]?.text ?? info.sequences[0]?.tokens.join("") ?? "";
  return {
    card: {
      id: `trace:${name}`,
      name: name.split("/").at(-1)!,
      says: `a recorded trace of ${info.model} (${info.architecture})`,
      source: "trace",
      architecture: info.architecture,
      layers: trace.layers(kind).length,
      heads: trace.record(trace.layers(kind)[0]!, kind).heads,
      runs: false,
    },
    open: async () => {},
    async run(_text, edits) {
      if (edits.length > 0) {
        throw new OptionError({
          where: "explore",
          argument: "a trace",
          got: "cannot be edited",
          fix: "open the model it was recorded from",
        });
      }
      return { trace, text, notes: [] };
    },
  };
}

const plan: PlannedHead[][] = [
  ["previous", "self", "first", "local", "duplicate", "broad"],
  ["previous", "broad", "first", "local", "uniform", "self"],
  ["induction", "broad", "first", "duplicate", "local", "previous"],
  ["induction", "first", "broad", "local", "self", "uniform"],
];

/** Planned heads over any text: shown when no trained model is at hand, and used by tests. */
export function syntheticSource(): Source {
  const says = "heads made by plan from q and k, no trained weights: previous, first, self, local, repeats, induction";
  return {
    card: {
      id: "synthetic",
      name: "Planned heads",
      says,
      source: "synthetic",
      layers: 4,
      heads: 6,
      context: 1024,
      runs: true,
    },
    open: async () => {},
    async run(text) {
      const all = cut(text);
      if (all.length === 0) throw emptyText();
      const tokens = all.slice(0, 1024);
      const notes =
        all.length > tokens.length ? [`The text has ${all.length} tokens; the first ${tokens.length} are shown.`] : [];
      return { trace: syntheticTrace({ tokens, heads: plan, text }), text, notes };
    },
  };
}

export function emptyText(): OptionError {
  return new OptionError({ where: "explore", argument: "the text", got: "is empty", fix: "type a word or two" });
}
