/** @file How attention operands lie in memory: the usual layouts as `Heads` views. */
import type { Tensor } from "../tensor/index.js";
import type { AttentionCall, Heads } from "./kernel.js";

/** A contiguous [B, H, L, D]. */
export function contiguousHeads(tensor: Tensor): Heads {
  const [, H, L, D] = tensor.shape as readonly [number, number, number, number];
  return { tensor, offset: 0, strides: [H * L * D, L * D, D] };
}

/** A merged [B, L, width] of which this operand's heads begin at number `from` of each row; head h at from + h·D. */
export function mergedHeads(tensor: Tensor, headDim: number, from = 0): Heads {
  const [, L, width] = tensor.shape as readonly [number, number, number];
  return { tensor, offset: from, strides: [L * width, headDim, width] };
}

/** Shape of the result of a call in the layout it asks for. */
export function outputShape(call: AttentionCall): number[] {
  const { batch, heads, queries, valueDim } = call;
  return call.outputLayout === "merged" ? [batch, queries, heads * valueDim] : [batch, heads, queries, valueDim];
}

/** The result of a call as heads. */
export function outputHeads(call: AttentionCall, output: Tensor): Heads {
  return call.outputLayout === "merged" ? mergedHeads(output, call.valueDim) : contiguousHeads(output);
}

/** Where row i of head h of batch item b starts. */
export function rowStart(x: Heads, b: number, h: number, i: number): number {
  return x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2];
}

/** The key head that query head h reads: groups are contiguous, [0 0 0 1 1 1] and never [0 1 0 1 0 1]. */
export function keyHeadOf(h: number, heads: number, keyHeads: number): number {
  return Math.floor((h * keyHeads) / heads);
}
