/** @file The sequence lab and the forming heads, trained in the worker: every step is told, and they stop when asked. */
import type {
  HeadFormsOptions,
  HeadFormsStep,
  LabModel,
  LabOptions,
  LabStep,
  TaskOptions,
} from "../../training/index.js";
import type { LabCall } from "./labs.js";

/** What the pages of these labs are told, step by step. */
export type { HeadFormsStep, LabModel, LabStep } from "../../training/index.js";

export type SequenceAsked = Omit<LabOptions, "model" | "keep" | "from"> & {
  models: LabModel[];
  /** Runs to be taken up again, as a look has kept them. */
  from?: Partial<Record<LabModel, Uint8Array>>;
};
export type FormingAsked = Pick<HeadFormsOptions, "steps" | "seed" | "from">;

/** One row of a task: what is read, letter by letter, and for each place where the answer stands that is due there. */
export interface TaskRow {
  symbols: string[];
  /** The place of the answer, −1 where none is due. */
  answers: number[];
}

/** Models take turns, a few steps each, so that all lines grow together. */
export const sequence: LabCall = async (asked, options) => {
  const { sequenceLab } = await import("../../training/sequence-lab.js");
  const { models, from, ...shared } = asked as SequenceAsked;
  let running = models.map((model) =>
    sequenceLab({ ...shared, model, keep: true, ...(from?.[model] && { from: from[model] }) }),
  );
  while (running.length > 0) {
    for (const one of [...running]) {
      for (let n = 0; n < 5; n++) {
        options.signal?.throwIfAborted();
        const { done, value } = await one.next();
        if (done) {
          running = running.filter((r) => r !== one);
          break;
        }
        options.onStep?.(value satisfies LabStep);
        if (value.look) break;
      }
    }
    await new Promise((resume) => setTimeout(resume, 0));
  }
  return undefined;
};

export const forming: LabCall = async (asked, options) => {
  const { headForms } = await import("../../training/head-forms.js");
  for await (const step of headForms({ ...(asked as FormingAsked), keep: true })) {
    options.signal?.throwIfAborted();
    options.onStep?.(step satisfies HeadFormsStep);
  }
  return undefined;
};

/** Slopes before any training, of an RNN, an LSTM and attention with about as many weights. */
export interface SlopesShown {
  models: { model: LabModel; slopes: { distance: number; value: number }[] }[];
}

/** What arrives of a slope so many tokens back, untrained. */
export const slopes: LabCall = async (asked, options) => {
  const { sequenceLab } = await import("../../training/sequence-lab.js");
  const { distance } = asked as { distance: number };
  const models: SlopesShown["models"] = [];
  for (const model of ["rnn", "lstm", "attention"] as const) {
    options.signal?.throwIfAborted();
    const run = sequenceLab({ task: "recall", model, distance });
    const { value } = await run.next();
    await run.return(undefined);
    models.push({ model, slopes: (value as LabStep).look!.gradientByDistance.filter((a) => a.distance > 0) });
  }
  return { models } satisfies SlopesShown;
};

/** A row as the models of the lab read it. */
export const taskRow: LabCall = async (asked) => {
  const { labDefaults, taskBatch } = await import("../../training/index.js");
  const given = asked as TaskOptions;
  const { symbols } = { ...labDefaults, ...given };
  const { inputs, distances } = taskBatch(given, 1, 1, 1);
  const letter = (id: number): string =>
    id < symbols
      ? String.fromCharCode(97 + id)
      : id === 2 * symbols
        ? given.task === "recall" ? "?" : "|"
        : id === 2 * symbols + 1 ? "?" : String.fromCharCode(65 + id - symbols); // biome-ignore format: cases
  return {
    symbols: Array.from(inputs, letter),
    answers: Array.from(distances, (d, i) => (d > 0 ? i - d : -1)),
  } satisfies TaskRow;
};
