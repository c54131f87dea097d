/** @file Warnings as data: something allowed that is seldom meant. The default handler prints one of a kind. */
import { type ErrorDetails, errorMessage } from "../tensor/index.js";

export type WarningHandler = (warning: ErrorDetails) => void;

const told = new Set<string>();
let handler: WarningHandler = (warning) => {
  const kind = `${warning.where} ${warning.argument}`;
  if (told.has(kind)) return;
  told.add(kind);
  console.warn(errorMessage({ ...warning, where: `${warning.where} (warning)` }));
};

/** Sends warnings elsewhere. @returns the handler before, to put it back */
export function onWarning(next: WarningHandler): WarningHandler {
  const before = handler;
  handler = next;
  return before;
}

/** @internal */
export function warn(warning: ErrorDetails): void {
  handler(warning);
}
