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
}

/**
 * The output layer that config and checkpoint speak of. Where the config says "tied" and the file has another matrix
 * than the embedding all the same, the file is right: transformers 5 writes T5 v1.1 so.
 * @param names  of the embedding in a checkpoint, and of the body that it may stand in; `tied`: where the config is silent
 */
export function outputHead(
  config: Config,
  { has, same }: ModelParts,
  embedding: Embedding,
  names: { body?: string; embedding: string; tied: boolean },
): OutputHead {
  const { weight } = embedding;
  const [outputs, inputs] = weight.shape as [number, number];
  const own = (): OutputHead => {
    const part = new Linear({ inputs, outputs, bias: false });
    return { part, weight: part.weight };
  };
  const isTied = config.flag("tie_word_embeddings", names.tied || has?.("lm_head.weight") === false);
  if (!has) return isTied ? { part: undefined, weight } : own();
  const table = `${names.embedding}.weight`;
  const inBody = names.body === undefined ? table : `${names.body}.${table}`;
  if (isTied) {
    const differs = has("lm_head.weight") && same?.("lm_head.weight", has(inBody) ? inBody : table) === false;
    return differs ? own() : { part: undefined, weight };
  }
  const isBare = /Model$/.test((config.json["architectures"] as string[] | undefined)?.[0] ?? "");
  return isBare && !has("lm_head.weight") ? { part: undefined, weight: undefined } : own();
}

/**
 * Scores of every word after every token, or after the last one only.
 * @param x [B, L, d]   @returns [B, L or 1, V]; undefined without an output layer
 */
export function lmLogits(x: Tensor, { weight }: OutputHead, { logits = "all" }: Pass): Tensor | undefined {
  if (logits === "none" || !weight) return undefined;
  const length = x.shape[1]!;
  const rows = logits === "last" && length > 1 ? ops().slice(x, 1, length - 1, length) : x;
  return ops().linear(rows, weight.weight);
}
