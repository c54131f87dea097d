/** @file The output layer of a language model: a score for every word. */
import { ops } from "../kernels/current.js";
import type { Parameter } from "../nn/parameter.js";
import type { Tensor } from "../tensor/index.js";
import type { Pass } from "./pass.js";

/**
 * Scores of every word after every token, or after the last one only.
 * @param x [B, L, d]   @param weight [V, d]: a layer of its own or, tied, the embedding   @returns [B, L or 1, V]
 */
export function lmLogits(x: Tensor, weight: Parameter, { logits = "all" }: Pass, bias?: Parameter): Tensor | undefined {
  if (logits === "none") return undefined;
  const length = x.shape[1]!;
  const rows = logits === "last" && length > 1 ? ops().slice(x, 1, length - 1, length) : x;
  return ops().linear(rows, weight.weight, { bias: bias?.tensor });
}
