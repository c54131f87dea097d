/** @file What a finder says of one attention. */
import type { Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";

/** How to get at a map [B, H, Tq, Tk]. */
export type Tap =
  /** A tensor of the graph holds it, as [B, H, Tq, Tk], [B·H, Tq, Tk] or another layout. */
  | {
      form: "tensor";
      tensor: string;
      /** Queries and keys are the other way round: softmax ran over the last axis but one. */
      transposed: boolean;
      /** Order of axes that gives batch, head, query, key, for products written as Einsum. */
      perm?: number[] | undefined;
      /** Inputs that turn a quantised map into numbers: scale and zero point. */
      scale?: string[] | undefined;
    }
  /** An optional output of a fused operator gives it when it is asked for. */
  | {
      form: "output";
      index: number;
      /** The attribute that asks, and its value. */
      attribute?: { name: string; value: number } | undefined;
      /** What comes out are the masked scores: a softmax makes them weights. */
      scores: boolean;
    }
  /** The operator keeps it to itself: plain operators beside it compute it again from its inputs. */
  | { form: "beside" }
  /** An operator that hides its map and whose arithmetic is not rebuilt here. */
  | { form: "hidden"; why: string };

/** q and k of the product, where the scores are nothing but softcap(scale · q kᵀ) + biases. */
export interface QkTap {
  /** [B, H, Tq, D] as it enters the product. */
  q: string;
  /** [B, Hk, Tk, D], or [B, Hk, D, Tk] when `kTransposed`. */
  k: string;
  kTransposed: boolean;
  scale: number;
  softcap?: number | undefined;
  /** Tensors added to the scores. */
  biases: string[];
  /** The values as they enter the second product, [B, Hk, Tk, Dv], where they do so plainly. */
  v?: string | undefined;
}

/** One attention as a finder sees it. */
export interface Found {
  scope: Scope;
  /** The softmax, or the fused operator. */
  node: Node;
  tap: Tap;
  /** The tensor that the softmax reads, where there is one: a row that is −∞ throughout sees no key. */
  scores?: string | undefined;
  /** Masks of a fused operator, in the same sense. */
  masks?: string[] | undefined;
  /** Where queries and keys come from: the operands of the first product. */
  q: string;
  k: string;
  /** True: it appends keys to a cache of its own or sees no later ones, so queries and keys are one sequence. */
  self?: boolean | undefined;
  /** The tensor after the product with the values: what later layers depend on. */
  result: string;
  heads: number | undefined;
  qk?: QkTap | undefined;
  /** The Loop or Scan it stands in: a map per round, one behind the other along the axis of texts. */
  rounds?: Node | undefined;
  /** Nodes whose names may tell the layer. */
  witnesses: Node[];
}
