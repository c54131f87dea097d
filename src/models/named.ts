/** @file A part that only gives names to others: "embeddings" over its tables. */
import { Module, type Part } from "../nn/module.js";

class Named extends Module {
  readonly #parts: Record<string, Part>;
  constructor(parts: Record<string, Part>) {
    super();
    this.#parts = parts;
  }
  parts(): Record<string, Part> {
    return this.#parts;
  }
}

/** Parts under one name of a checkpoint. A part may be given as a path: "attention.self". */
export function named(parts: Record<string, Part>): Module {
  return new Named(parts);
}
