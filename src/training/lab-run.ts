/** @file A finished run of the sequence lab, gathered from its steps: what a report draws. */
import { type LabLook, type LabOptions, type LabStep, sequenceLab } from "./sequence-lab.js";
import type { SequenceModelKind } from "./sequence-models.js";

export interface LabRun {
  model: SequenceModelKind;
  task: LabOptions["task"];
  steps: number;
  parameters: number;
  losses: { step: number; loss: number }[];
  looks: ({ step: number } & LabLook)[];
}

/** Runs to the end. @param onStep told of every step */
export async function runLab(options: LabOptions, onStep?: (step: LabStep) => void): Promise<LabRun> {
  const run: LabRun = { model: options.model, task: options.task, steps: 0, parameters: 0, losses: [], looks: [] };
  for await (const step of sequenceLab(options)) {
    addStep(run, step);
    onStep?.(step);
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
