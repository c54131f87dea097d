/** @file NaN in a result: told with the operand it came in by, since it spreads to all that reads it. */
import type { AttentionCall, Heads } from "../kernels/kernel.js";
import { keyHeadOf, rowStart } from "../kernels/layout.js";
import { visibleKeys } from "../kernels/rule.js";
import type { Tensor } from "../tensor/index.js";
import { warn } from "./warnings.js";

/** The call a result came from; a map has no values. */
type Call = Omit<AttentionCall, "v" | "valueDim"> & Partial<Pick<AttentionCall, "v" | "valueDim">>;

/**
 * Warns when a result holds NaN. What is masked never gets there, so it entered where a query looks.
 * @param result [B, H, rows, n]   @param from the query of its first row
 * Cost: one look at every number of the result.
 */
export function warnOfNaN(where: string, result: Tensor, call: Call, from = 0): void {
  const data = result.data;
  let at = 0;
  while (at < data.length && !Number.isNaN(data[at])) at++;
  if (at === data.length) return;
  const [, heads, rows, width] = result.shape;
  const r = Math.floor(at / width);
  const [b, h, i] = [Math.floor(r / (heads * rows)), Math.floor(r / rows) % heads, from + (r % rows)];
  const { argument, holds } = source(call, b, h, i);
  warn({
    where,
    argument,
    got: `${holds}; every row that reads it gives NaN, first at batch ${b}, head ${h}, query ${i}`,
    fix: "look at what made it; a place that is only padding is left out with keyPadding or mask",
  });
}

/** The operand that made row i of a head NaN, and where. */
function source(call: Call, b: number, h: number, i: number): { argument: string; holds: string } {
  const { q, k, v, bias, headDim, valueDim = 0 } = call;
  const keyHead = keyHeadOf(h, call.heads, call.keyHeads);
  const seen = new Int32Array(call.keys);
  const keys = [...seen.subarray(0, visibleKeys(call, b, h, i, seen))];
  const told = (argument: string, x: number, place: string): { argument: string; holds: string } => ({
    argument,
    holds: `holds ${x} at ${place}`,
  });
  const own = firstOddNumber(q, b, h, i, headDim);
  if (own !== undefined) return told("q", own, `batch ${b}, head ${h}, query ${i}`);
  for (const [argument, x, width] of [
    ["k", k, headDim],
    ["v", v, valueDim],
  ] as const) {
    for (const j of x ? keys : []) {
      const odd = firstOddNumber(x!, b, keyHead, j, width);
      if (odd !== undefined) return told(argument, odd, `batch ${b}, head ${keyHead}, key ${j}`);
    }
  }
  for (const j of bias ? keys : []) {
    const [s0, s1, s2, s3] = bias!.strides;
    const x = bias!.tensor.data[bias!.offset + b * s0 + h * s1 + i * s2 + j * s3];
    if (Number.isNaN(x) || x === Number.POSITIVE_INFINITY) {
      return told("bias", x, `batch ${b}, head ${h}, query ${i}, key ${j}`);
    }
  }
  return { argument: "a score", holds: "is too large for float32, or a score function made it NaN" };
}

/** NaN or Infinity in a row; one Infinity against another makes NaN as well. */
function firstOddNumber(x: Heads, b: number, h: number, i: number, width: number): number | undefined {
  const at = rowStart(x, b, h, i);
  return x.tensor.data.subarray(at, at + width).find((n) => !Number.isFinite(n));
}
