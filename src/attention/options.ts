/**
 * @file What may be said about an attention. All rules combine by intersection: a pair attends when every rule lets it.
 *
 * B batch · H query heads · Lq, Lk query and key lengths in tokens · p = queryOffset + i, the position of query i; key j
 * stands at position j.
 */
import type { AttentionCall } from "../kernels/kernel.js";
import type { TensorLike } from "../tensor/index.js";

/** Numbers in one row: an array, a typed array (BigInt64Array too) or a tensor. */
export type NumberList = ArrayLike<number> | ArrayLike<bigint> | TensorLike;
/** Numbers in rows: nested arrays or a tensor. */
export type NumberTable =
  | readonly ArrayLike<number | boolean>[]
  | TensorLike
  | { data: ArrayLike<bigint>; shape?: readonly number[]; dims?: readonly number[] };
/** A bias read with strides, as `relativeBias` makes: Lq + Lk − 1 numbers a head instead of Lq·Lk. */
export type BiasView = NonNullable<AttentionCall["bias"]>;
/** May query q attend to key kv? Called once a pair; true = may attend. */
export type MaskFunction = (b: number, h: number, q: number, kv: number) => boolean;
/** Another score for a pair; −Infinity masks it. Called after scale, softcap, bias and ALiBi. */
export type ScoreFunction = (score: number, b: number, h: number, q: number, kv: number) => number;

/** Who may attend to whom. */
export interface RuleOptions {
  /**
   * `true` = "lower-right": the last query sees the last key, as a KV cache needs. "upper-left": query i sees keys 0…i,
   * as torch's is_causal.
   */
  causal?: boolean | "lower-right" | "upper-left" | undefined;
  /** Position of the first query, one for all or one per batch item; may be negative. Default Lk − Lq ("upper-left": 0). */
  queryOffset?: number | NumberList | undefined;
  /** 1 = may attend. Broadcasts to [B, H, Lq, Lk]. */
  mask?: TensorLike | undefined;
  /** Per batch item: keys at and past this index are padding. */
  keyLengths?: NumberList | undefined;
  /** [B, Lk], 1 = a real token; padding on any side (Hugging Face's attention_mask). */
  keyPadding?: NumberTable | undefined;
  /** p − left ≤ j ≤ p + right, both ends included; a side left out, null or Infinity is open. */
  window?: { left?: number | null | undefined; right?: number | null | undefined } | undefined;
  /** Positions see only their own chunk: ⌊p/chunk⌋ = ⌊j/chunk⌋. */
  chunk?: number | undefined;
  /** The first keys are a prefix that every query sees, later ones too: it widens `causal`, which it switches on. */
  prefixLength?: number | NumberList | undefined;
  /** [B, L] or [L]: only equal documents attend. Of unlike lengths: { query: [B, Lq], key: [B, Lk] }; a list for the keys serves the queries by position. */
  documentIds?:
    | NumberTable
    | NumberList
    | { query: NumberTable | NumberList; key: NumberTable | NumberList }
    | undefined;
  /** 1 = the block of blockSize × blockSize pairs is kept; broadcasts to [B, H, ⌈Lq/blockSize⌉, ⌈Lk/blockSize⌉]. Default size: the one that fits. */
  blockMask?: (TensorLike & { blockSize?: number }) | undefined;
  /** Any rule as a function; slower, still without an Lq × Lk array. */
  maskMod?: MaskFunction | undefined;
}

/** How pairs that may attend are scored. */
export interface ScoreOptions {
  /** Default 1/√D: keeps the variance of q·k at that of one product. Vaswani et al. 2017 §3.2.1. T5 wants 1. */
  scale?: number | undefined;
  /** c: scores become c·tanh(s/c), before bias. Default: none. */
  softcap?: number | undefined;
  /** Added to the scaled, capped score; broadcasts to [B, H, Lq, Lk]. −Infinity masks. */
  bias?: TensorLike | BiasView | undefined;
  /** Minus slope·|p − j|: `true` for the standard slopes, or one slope per head. Press et al. 2022 (arXiv:2108.12409). */
  alibi?: boolean | NumberList | undefined;
  /** One learned logit per head [H] that takes weight and has no value. */
  sinks?: TensorLike | ArrayLike<number> | undefined;
  scoreMod?: ScoreFunction | undefined;
}

/** Every option of `attention`. */
export interface AttentionOptions extends RuleOptions, ScoreOptions {
  /** Share of the weights dropped, chosen by (seed, b, h, i, j) alone. Default 0; seed 0. */
  dropout?: number | { rate: number; seed?: number } | undefined;
  /** What a query that sees nothing gives: zeros (default) or an error that names it. */
  onEmptyRow?: "zeros" | "error" | undefined;
  /** Also give lse = ln Σ e^s, [B, H, Lq]; −∞ where nothing is seen. */
  returnLse?: boolean | undefined;
  /** Threads this call may use; default: the pool's size. */
  threads?: number | undefined;
}

/** Options of `attentionWeights`. */
export interface WeightsOptions extends RuleOptions, ScoreOptions {
  /** Queries from ≤ i < to. Default: all. */
  rows?: readonly [number, number] | undefined;
  /** Keys from ≤ j < to. Default: all. */
  columns?: readonly [number, number] | undefined;
  onEmptyRow?: "zeros" | "error" | undefined;
  threads?: number | undefined;
  /** Has no effect: the map is that before dropout. */
  dropout?: AttentionOptions["dropout"];
}

/** The four sizes a rule is about. */
export interface Extent {
  batch: number;
  heads: number;
  queries: number;
  keys: number;
}
