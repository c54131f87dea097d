/** @file A text for a model without a tokenizer: token ids, written as numbers. */
import { OptionError } from "../../tensor/index.js";

/** @throws {OptionError} when there is anything but whole numbers, saying how to write it */
export function idsOf(text: string, model: string): number[] {
  const parts = text.trim().split(/[\s,]+/).filter(Boolean); // biome-ignore format: one list
  if (parts.length > 0 && parts.every((p) => /^\d{1,7}$/.test(p))) return parts.map(Number);
  throw new OptionError({
    where: "explore",
    argument: "the text",
    got: "is read as token ids",
    expected: `numbers such as 5 17 3 17, since ${model} has no tokenizer.json`,
    fix: "write ids, or put tokenizer.json beside the model",
  });
}
