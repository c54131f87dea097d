/**
 * @file A run as bytes: weights, the optimiser's means, the step and whatever was noted, as one safetensors file.
 */
import type { Module } from "../nn/index.js";
import { FileError, readSafetensors, type Tensor, writeSafetensors } from "../tensor/index.js";
import type { AdamW } from "./adamw.js";

/** A run as bytes. @param notes anything JSON can hold: the recipe, the loss so far */
export function writeCheckpoint(model: Module, optimiser: AdamW, notes: unknown): Uint8Array {
  const { steps, moments } = optimiser.state();
  const entries = [
    ...Object.entries(model.state()).map(([name, value]) => ({ name: `weights/${name}`, value })),
    ...Object.entries(moments).map(([name, value]) => ({ name: `means/${name}`, value })),
  ];
  return writeSafetensors(entries, { steps: String(steps), notes: JSON.stringify(notes) });
}

/**
 * Takes a run up again.
 * @param file named in errors
 * @returns the step it had reached, and its notes
 * @throws {FileError} when the bytes are damaged or no checkpoint   @throws {OptionError} when they are another model's
 */
export function readCheckpoint<Notes>(
  bytes: Uint8Array,
  model: Module,
  optimiser: AdamW,
  file = "the checkpoint",
): { step: number; notes: Notes } {
  const { names, metadata, tensor } = readSafetensors(bytes, file);
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
