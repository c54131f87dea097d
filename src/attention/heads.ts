/**
 * @file Heads: [B, L, H·D] ⇄ [B, H, L, D], copied or as views.
 *
 * Head h of a token is numbers h·D … (h + 1)·D − 1 of its row. Reshaping [B, L, H·D] straight to [B, H, L, D] mixes
 * tokens: the axes must be swapped, which is what these do.
 */
import { ops } from "../kernels/current.js";
import type { Heads } from "../kernels/kernel.js";
import { contiguousHeads, mergedHeads } from "../kernels/layout.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";

/** Heads that know their sizes: what `attend` takes. */
export interface HeadsView extends Heads {
  batch: number;
  heads: number;
  length: number;
  headDim: number;
}

/** [B, L, H·D] → [B, H, L, D]. @throws {ShapeError} when the last axis does not divide by `heads` */
export function splitHeads(x: Tensor | TensorLike, heads: number): Tensor {
  const t = asTensor(x, "splitHeads", "x");
  const [batch, length, headDim] = splitSizes("splitHeads", t, heads, t.shape.at(-1) ?? 0);
  return ops().permute(ops().reshape(t, [batch, length, heads, headDim]), [0, 2, 1, 3]);
}

/** [B, H, L, D] → [B, L, H·D]: the inverse of `splitHeads`. */
export function mergeHeads(x: Tensor | TensorLike): Tensor {
  const t = asTensor(x, "mergeHeads", "x");
  if (t.shape.length !== 4) {
    throw new ShapeError({
      where: "mergeHeads",
      argument: "x",
      got: `has ${t.shape.length} axes in ${show(t.shape)}`,
      expected: "4: [batch, heads, length, headDim]",
    });
  }
  const [batch, heads, length, headDim] = t.shape;
  return ops().reshape(ops().permute(t, [0, 2, 1, 3]), [batch, length, heads * headDim]);
}

/** A contiguous [B, H, L, D] as a view. */
export function headsOf(tensor: Tensor): HeadsView {
  const [batch, heads, length, headDim] = tensor.shape;
  return { ...contiguousHeads(tensor), batch, heads, length, headDim };
}

/**
 * Heads of a projection [B, L, width] read where they lie, without a copy: a fused q·k·v projection is three views,
 * from 0, H·D and 2·H·D.
 * @param width of these heads together, H·D; default: what is left from `from` on
 */
export function viewHeads(x: Tensor, heads: number, from = 0, width = (x.shape.at(-1) ?? 0) - from): HeadsView {
  const [batch, length, headDim] = splitSizes("viewHeads", x, heads, width);
  return { ...mergedHeads(x, headDim, from), batch, heads, length, headDim };
}

/** The rows from ≤ i < to of a view. */
export function sliceRows(x: HeadsView, from: number, to: number): HeadsView {
  return { ...x, offset: x.offset + from * x.strides[2], length: to - from };
}

function splitSizes(
  where: string,
  x: Tensor,
  heads: number,
  width: number,
): [batch: number, length: number, headDim: number] {
  if (x.shape.length !== 3) {
    throw new ShapeError({
      where,
      argument: "x",
      got: `has ${x.shape.length} axes in ${show(x.shape)}`,
      expected: "3: [batch, length, heads · headDim]",
    });
  }
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new OptionError({
      where,
      argument: "heads",
      got: `is ${heads}`,
      expected: `a number that divides the width ${width} of x ${show(x.shape)}`,
    });
  }
  return [x.shape[0], x.shape[1], width / heads];
}
