/**
 * @file A run in a file: weights, the optimiser's means, the step and whatever was noted, as one safetensors file.
 *
 * It is written beside its name and then renamed, so a machine that stops in the middle leaves the one before.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Module } from "../nn/index.js";
import { FileError, readSafetensors, type Tensor, writeSafetensors } from "../tensor/index.js";
import type { AdamW } from "./adamw.js";

/** Saves a run. @param notes anything JSON can hold: the recipe, the loss so far */
export function saveCheckpoint(file: string, model: Module, optimiser: AdamW, notes: unknown): void {
  const { steps, moments } = optimiser.state();
  const entries = [
    ...Object.entries(model.state()).map(([name, value]) => ({ name: `weights/${name}`, value })),
    ...Object.entries(moments).map(([name, value]) => ({ name: `means/${name}`, value })),
  ];
  const bytes = writeSafetensors(entries, { steps: String(steps), notes: JSON.stringify(notes) });
  writeFileSync(`${file}.part`, bytes);
  renameSync(`${file}.part`, file);
}

/**
 * Takes a run up again.
 * @returns the step it had reached and its notes; undefined when there is no such file
 * @throws {FileError} when the file is damaged or belongs to another model
 */
export function loadCheckpoint<Notes>(
  file: string,
  model: Module,
  optimiser: AdamW,
): { step: number; notes: Notes } | undefined {
  if (!existsSync(file)) return undefined;
  const { names, metadata, tensor } = readSafetensors(readFileSync(file), file);
  const under = (prefix: string): Record<string, Tensor> =>
    Object.fromEntries(names.filter((n) => n.startsWith(prefix)).map((n) => [n.slice(prefix.length), tensor(n)]));
  const step = Number(metadata["steps"]);
  if (!Number.isInteger(step) || metadata["notes"] === undefined) {
    throw new FileError({
      where: "train",
      argument: file,
      got: "is no checkpoint of a run",
      fix: "give another name, or delete it",
    });
  }
  model.load(under("weights/"), { where: "train" });
  optimiser.load({ steps: step, moments: under("means/") });
  return { step, notes: JSON.parse(metadata["notes"]) as Notes };
}
