/** @file The output layer of a language model: a score for every word. */
import { ops } from "../kernels/current.js";
import type { Embedding } from "../nn/embedding.js";
import { Linear } from "../nn/linear.js";
import type { Parameter } from "../nn/parameter.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import type { ModelParts } from "./model.js";
import type { Pass } from "./pass.js";

/** A matrix of its own, the embedding once more, or none: a model saved without one. */
export interface OutputHead {
  /** The layer, where it is one of its own. */
  part: Linear | undefined;
  weight: Parameter | undefined;
  /** Scores are c·tanh(score/c). Gemma 2 (arXiv:2408.00118) §2. */
  softcap?: number | undefined;
}

/**
 * The output layer that config and checkpoint speak of. Where the config says "tied" and the file has another matrix
 * than the embedding all the same, the file is right: transformers 5 writes T5 v1.1 so.
 * @param names  of the embedding in a checkpoint, of the body that it may stand in, and of the output layer (default
 *   lm_head); `tied`: where the config is silent
 */
export function outputHead(
  config: Config,
  { has, same }: ModelParts,
  embedding: Embedding,
  names: { body?: string; embedding: string; head?: string; tied: boolean },
): OutputHead {
  const { weight } = embedding;
  const [outputs, inputs] = weight.shape as [number, number];
  const own = (): OutputHead => {
    const part = new Linear({ inputs, outputs, bias: false });
    return { part, weight: part.weight };
  };
  const matrix = `${names.head ?? "lm_head"}.weight`;
  const isTied = config.flag("tie_word_embeddings", names.tied || has?.(matrix) === false);
  if (!has) return isTied ? { part: undefined, weight } : own();
  const table = `${names.embedding}.weight`;
  const inBody = names.body === undefined ? table : `${names.body}.${table}`;
  if (isTied) {
    const differs = has(matrix) && same?.(matrix, has(inBody) ? inBody : table) === false;
    return differs ? own() : { part: undefined, weight };
  }
  const isBare = /Model$/.test((config.json["architectures"] as string[] | undefined)?.[0] ?? "");
  return isBare && !has(matrix) ? { part: undefined, weight: undefined } : own();
}

/**
 * Scores of every word after every token, or after the last one only.
 * @param x [B, L, d]   @returns [B, L or 1, V]; undefined without an output layer
 */
export function lmLogits(x: Tensor, { weight, softcap }: OutputHead, { logits = "all" }: Pass): Tensor | undefined {
  if (logits === "none" || !weight) return undefined;
  const length = x.shape[1]!;
  const rows = logits === "last" && length > 1 ? ops().slice(x, 1, length - 1, length) : x;
  const scores = ops().linear(rows, weight.weight);
  return softcap === undefined ? scores : capped(scores, softcap);
}

/** c·tanh(x/c): nearly x near 0, never beyond ±c. */
export function capped(x: Tensor, c: number): Tensor {
  return ops().affine(ops().unary("tanh", ops().affine(x, 1 / c)), c);
}
