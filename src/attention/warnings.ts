/** @file Warnings as data: something allowed that is seldom meant. Nothing is printed but by the default handler, once. */
import { type ErrorDetails, errorMessage } from "../tensor/index.js";

export type WarningHandler = (warning: ErrorDetails) => void;

let told = false;
let handler: WarningHandler = (warning) => {
  if (told) return;
  told = true;
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
