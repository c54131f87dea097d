/** @file What goes through a model in one pass: tokens in, tensors out, and what is remembered on the way. */
import type { Tensor } from "../tensor/index.js";
import type { Cache } from "./cache.js";

/** Token ids of a batch with all that is said of them. Arrays are [B, L], row-major. */
export interface Tokens {
  batch: number;
  length: number;
  ids: Int32Array;
  /** 1 = real token, 0 = padding; undefined: nothing is padded. */
  mask?: Uint8Array | undefined;
  positions?: Int32Array | undefined;
  types?: Int32Array | undefined;
}

/** A model's inputs, checked. */
export interface Batch {
  tokens: Tokens;
  /** What the decoder of an encoder–decoder reads. */
  decoder?: Tokens | undefined;
  /** The encoder's result where it is known from an earlier step. */
  memory?: Tensor | undefined;
}

/** One pass through a model. */
export interface Pass {
  /** Keys and values so far; without it every token is new. */
  cache?: Cache | undefined;
  /** Which rows get logits. Default all. */
  logits?: "all" | "last" | "none" | undefined;
  /** Told the state after the embedding, after each layer, and, in the last one's place, after the final norm. */
  hidden?: ((state: Tensor) => void) | undefined;
  /** `hidden` for an encoder–decoder's encoder. */
  encoderHidden?: ((state: Tensor) => void) | undefined;
  /** Told the residual stream before the final norm, where a model has one: what its layers wrote adds up to it. */
  stream?: ((state: Tensor) => void) | undefined;
}

/** What a model gives, as its architecture has it. */
export interface Outputs {
  lastHiddenState: Tensor; // [B, L, d]
  logits?: Tensor | undefined; // [B, L, V], or [B, labels] of a classifier
  pooled?: Tensor | undefined; // [B, d]
  encoderLastHiddenState?: Tensor | undefined;
}

/** Positions that count real tokens: padding on the left moves nothing. Pads get 0. */
export function countedPositions({ batch, length, mask }: Tokens, past: Int32Array | undefined): Int32Array {
  const out = new Int32Array(batch * length);
  for (let b = 0; b < batch; b++) {
    let next = past?.[b] ?? 0;
    for (let i = 0; i < length; i++) {
      const real = mask ? mask[b * length + i] === 1 : true;
      out[b * length + i] = real ? next++ : Math.max(next - 1, 0);
    }
  }
  return out;
}
