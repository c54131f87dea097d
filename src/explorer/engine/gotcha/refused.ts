/** @file A run that a mistake cannot be shown on. */
import { OptionError } from "../../../tensor/index.js";

export function refused(got: string, fix: string): OptionError {
  return new OptionError({ where: "gotcha lab", argument: "this run", got, fix });
}
