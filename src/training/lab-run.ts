/** @file A run of the sequence lab, gathered from its steps: what a report draws. */
import {
  type LabLook,
  type LabModel,
  type LabOptions,
  type LabStep,
  labDefaults,
  sequenceLab,
} from "./sequence-lab.js";

export interface LabRun {
  model: LabModel;
  task: LabOptions["task"];
  /** Steps made. */
  steps: number;
  /** Steps meant to be made; more than `steps` where the run was stopped. */
  of: number;
  parameters: number;
  /** What it was trained with. */
  settings: Required<Pick<LabOptions, "rows" | "distance" | "symbols" | "learningRate" | "seed">> & {
    /** Weights asked for. */
    parameters: number;
  };
  losses: { step: number; loss: number }[];
  looks: ({ step: number } & LabLook)[];
}

/** A run before its first step. */
export function newRun(options: LabOptions): LabRun {
  const { model, task, steps, rows, distance, symbols, learningRate, seed, parameters } = {
    ...labDefaults,
    ...options,
  };
  const settings = { rows, distance, symbols, learningRate, seed, parameters };
  return { model, task, steps: 0, of: steps, parameters: 0, settings, losses: [], looks: [] };
}

/**
 * Runs to the end, or until it is stopped: what was learned until then is the run.
 * @param onStep told of every step   @param signal stops it after the step it is at
 */
export async function runLab(
  options: LabOptions,
  onStep?: (step: LabStep) => void,
  signal?: AbortSignal,
): Promise<LabRun> {
  const run = newRun(options);
  for await (const step of sequenceLab(options)) {
    addStep(run, step);
    onStep?.(step);
    if (signal?.aborted) break;
  }
  return run;
}

/** Adds a step to what is known of a run: for whoever iterates by themselves, such as a page. */
export function addStep(run: LabRun, { step, loss, look }: LabStep): void {
  run.steps = step;
  if (!Number.isNaN(loss)) run.losses.push({ step, loss });
  if (!look) return;
  run.parameters = look.parameters;
  run.looks.push({ step, ...look });
}
