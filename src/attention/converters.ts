/**
 * @file Masks of other libraries, and masks of masks. Everything here ends in one polarity: true = may attend.
 *
 * | they say                                        | here                                             |
 * |-------------------------------------------------|--------------------------------------------------|
 * | torch MultiheadAttention attn_mask, true = not  | mask: fromTrueMeansIgnore(m)                     |
 * | torch key_padding_mask [B, Lk], true = not      | keyPadding: fromTrueMeansIgnore(m)               |
 * | float mask of 0 and −inf (or −1e9, −3.4e38)     | mask: fromAdditiveMask(m)                        |
 * | cu_seqlens [0, 3, 8] of flash-attention         | documentIds: fromCumulativeLengths(cu)           |
 * | sliding_window 4 of transformers                | window: fromSlidingWindow(4)                     |
 */
import { OptionError, type TensorLike } from "../tensor/index.js";
import { flat } from "./lists.js";
import type { MaskFunction } from "./options.js";

/** A mask as bytes, as `mask` and `keyPadding` take it. */
export interface ByteMask {
  data: Uint8Array;
  shape: number[];
}

type Given = TensorLike | readonly ArrayLike<number | boolean>[] | ArrayLike<number | boolean>;

/** The negation: of a mask in which true means "ignore". */
export function fromTrueMeansIgnore(mask: Given): ByteMask {
  const { data, shape } = flat(mask, "fromTrueMeansIgnore", "mask");
  return { data: Uint8Array.from(data as ArrayLike<unknown>, (x) => (Number(x) === 0 ? 1 : 0)), shape };
}

/**
 * From numbers that are added to scores: 0 lets attend, −Infinity or a huge negative number (below −1000) masks.
 * @throws {OptionError} at any other number, which is a bias and no mask
 */
export function fromAdditiveMask(mask: Given): ByteMask {
  const where = "fromAdditiveMask";
  const { data, shape } = flat(mask, where, "mask");
  const out = new Uint8Array(data.length);
  for (let n = 0; n < out.length; n++) {
    const x = Number(data[n]);
    if (x !== 0 && !(x < -1000)) {
      throw new OptionError({
        where,
        argument: "mask",
        got: `holds ${x} at ${n}`,
        expected: "0 or a number below −1000",
        fix: "pass it as bias",
      });
    }
    out[n] = x === 0 ? 1 : 0;
  }
  return { data: out, shape };
}

/**
 * Document ids from cumulative lengths.
 * @example
 * fromCumulativeLengths([0, 2, 5])  // [0, 0, 1, 1, 1]
 */
export function fromCumulativeLengths(cumulative: ArrayLike<number>): number[] {
  const ends = Array.from(cumulative).slice(1);
  return ends.flatMap((end, d) => Array<number>(end - cumulative[d]).fill(d));
}

/**
 * A window of n keys that ends at the query itself: transformers' sliding_window, which counts the query.
 * @example
 * fromSlidingWindow(4)  // { left: 3, right: 0 }
 */
export function fromSlidingWindow(n: number): { left: number; right: number } {
  return { left: n - 1, right: 0 };
}

/** Attends where all do. */
export function and(...masks: MaskFunction[]): MaskFunction {
  return (b, h, q, kv) => masks.every((m) => m(b, h, q, kv));
}

/** Attends where any does. */
export function or(...masks: MaskFunction[]): MaskFunction {
  return (b, h, q, kv) => masks.some((m) => m(b, h, q, kv));
}

/** Attends where `mask` does not. */
export function not(mask: MaskFunction): MaskFunction {
  return (b, h, q, kv) => !mask(b, h, q, kv);
}
