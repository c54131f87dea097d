/**
 * @file Scaled dot-product attention.
 *     S = softcap(scale · q kᵀ) + bias   [B, H, Lq, Lk]   a pair that may not attend is −∞
 *     P = softmax(S) over keys           [B, H, Lq, Lk]   never stored: a row of it is rebuilt from its log-sum-exp
 *     o = P v                            [B, H, Lq, Dv]
 *
 * B batch · H query heads · Hk key heads (H is a multiple of Hk; groups are contiguous) · Lq, Lk lengths in tokens ·
 * D, Dv head sizes. Leading axes may be left out: [H, L, D] and [L, D] work the same, and results have the axes of q.
 * Vaswani et al. 2017 (arXiv:1706.03762) eq. 1; their d_k is our D. Grouped heads: Ainslie et al. 2023 (arXiv:2305.13245).
 */
import { kernelInForce, ops } from "../kernels/current.js";
import type { AttentionCall, AttentionResult, Heads } from "../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, zeros } from "../tensor/index.js";
import { attentionCall } from "./call.js";
import { checkEmptyRows } from "./empty-rows.js";
import { attentionWithMaskFunction } from "./mask-function.js";
import { warnOfNaN } from "./not-a-number.js";
import { operands, toRank, toRank4 } from "./operands.js";
import type { AttentionOptions, WeightsOptions } from "./options.js";

/** Our tensors, and whatever else has numbers and a shape. */
type Input = Tensor | TensorLike;

/**
 * Each query takes a weighted mean of the values; the weights are a softmax of scaled q·k.
 * @param q  [B, H, Lq, D]    @param k  [B, Hk, Lk, D]    @param v  [B, Hk, Lk, Dv]
 * @param options.causal  `true` = "lower-right": the last query sees every key, as a KV cache needs.
 *       "lower-right"  ■ ■ ■ · ·      "upper-left"  ■ · · · ·      Lq = 3, Lk = 5, ■ = may attend
 *                      ■ ■ ■ ■ ·                    ■ ■ · · ·
 *                      ■ ■ ■ ■ ■                    ■ ■ ■ · ·
 * @returns [B, H, Lq, Dv]; a row that may attend to nothing is zeros, never NaN. With `returnLse` also lse [B, H, Lq].
 * @throws {ShapeError} when axes disagree   @throws {OptionError} when an option is not what it may be
 * Cost: 2·B·H·Lq·Lk·(D + Dv) flop, about half when causal and square; B·H·Lq extra floats, no Lq × Lk array.
 * @example
 * const x = tensor([1, 0, 0, 1], [2, 2]);
 * attention(x, x, x, { causal: true }).data[0]  // 1
 * attention(x, x, x, { scale: 1 }).data[0].toFixed(6)  // "0.731059"
 */
export function attention(
  q: Input,
  k: Input,
  v: Input,
  options: AttentionOptions & { returnLse: true },
): AttentionResult;
export function attention(q: Input, k: Input, v: Input, options?: AttentionOptions): Tensor;
export function attention(q: Input, k: Input, v: Input, options: AttentionOptions = {}): Tensor | AttentionResult {
  const { rank, ...views } = operands("attention", { q, k, v });
  const { maskMod, scoreMod, dropout } = options;
  // A panel counts its rows from 0, which dropout would notice; a score function is a pair at a time anyway.
  const panels = maskMod !== undefined && !scoreMod && !dropout;
  const call = attentionCall(views, options, "attention", !panels);
  const { output, lse } = panels ? attentionWithMaskFunction(call, maskMod) : ops().attention(call);
  checkEmptyRows("attention", lse, options);
  warnOfNaN("attention", output, call);
  const out = toRank(output, rank);
  return options.returnLse ? { output: out, lse: toRank(lse, rank - 1) } : out;
}

/**
 * The map itself: P = softmax(S), or the part of it asked for. With the identity as `v`, `attention` gives the same.
 * @param options.rows,options.columns  [from, to): queries and keys wanted; default all
 * @returns [B, H, rows, columns]; masked pairs are exactly 0. A row sums to 1, less what a sink takes.
 * @throws {ShapeError} when axes disagree
 * Cost: the rows asked for, over all keys. Memory: the part returned. Inside `gradient` it has its slope, for the price
 * of all rows.
 * @example
 * const x = tensor([1, 0, 0, 1], [2, 2]);
 * attentionWeights(x, x, { causal: true, rows: [0, 1] }).data  // [1, 0]
 */
export function attentionWeights(q: Input, k: Input, options: WeightsOptions = {}): Tensor {
  const where = "attentionWeights";
  const { rank, ...views } = operands(where, { q, k });
  const { v: _v, valueDim: _valueDim, dropout: _dropout, ...call } = attentionCall(views, options, where, true);
  const rows = part(options.rows, call.queries, where, "rows");
  const columns = part(options.columns, call.keys, where, "columns");
  const kernel = kernelInForce();
  const weights = ops() === kernel ? kernel.attentionWeights(call, rows, columns) : throughValues(call, rows, columns);
  if (options.onEmptyRow === "error" && columns[1] - columns[0] === call.keys) {
    checkEmptyRows(where, rowLogSums(weights), options); // a part of a row cannot tell
  }
  warnOfNaN(where, weights, call, rows[0]);
  return toRank(weights, rank);
}

/**
 * The same part of the map as the output for the identity as values: by an operation that a recorder knows the slope of.
 * Cost: as `attention` with a value width of the columns asked for.
 */
function throughValues(
  call: Omit<AttentionCall, "v" | "valueDim">,
  rows: readonly [number, number],
  [from, to]: readonly [number, number],
): Tensor {
  const width = to - from;
  const identity = zeros([call.keys, width]);
  for (let j = from; j < to; j++) identity.data[j * width + (j - from)] = 1;
  const v: Heads = { tensor: identity, offset: 0, strides: [0, 0, width] }; // one for every batch item and head
  const { output } = ops().attention({ ...call, v, valueDim: width }); // [B, H, Lq, columns]
  return ops().slice(output, 2, ...rows);
}

/** ln of each row's sum, [B, H, rows]: −∞ for a row of zeros. */
function rowLogSums(weights: Tensor): Tensor {
  return ops().reshape(ops().unary("log", ops().reduce("sum", weights, [3])), weights.shape.slice(0, 3));
}

/**
 * Slopes of `attention`: how q, k, v (and a bias, and sinks) move a loss whose slope at the output is dOut.
 * @param dOut  shape of the output
 * @returns dq, dk, dv in the shapes of q, k, v; dBias in the shape of `options.bias` and dSinks [H] where they were given
 * @throws {ShapeError} when axes disagree
 * Cost: about 2.5 × the forward pass; P is rebuilt row by row from lse. Dao et al. 2022 (arXiv:2205.14135) alg. 4.
 * @example
 * const x = tensor([1, 0, 0, 1], [2, 2]);
 * attentionGradient(x, x, x, x, { causal: true }).dv.data.length  // 4
 */
export function attentionGradient(
  q: Input,
  k: Input,
  v: Input,
  dOut: Input,
  options: AttentionOptions = {},
): { dq: Tensor; dk: Tensor; dv: Tensor; dBias?: Tensor; dSinks?: Tensor } {
  const where = "attentionGradient";
  const { rank, ...views } = operands(where, { q, k, v });
  const call = attentionCall(views, options, where, true);
  const slope = asTensor(dOut, where, "dOut");
  const expected = [call.batch, call.heads, call.queries, call.valueDim].slice(4 - rank);
  if (show(slope.shape) !== show(expected)) {
    throw new ShapeError({
      where,
      argument: "dOut",
      got: `has shape ${show(slope.shape)}`,
      expected: `${show(expected)}, the shape of the output`,
    });
  }
  const kernel = kernelInForce();
  if (ops() !== kernel) {
    throw new OptionError({
      where,
      argument: "the call",
      got: "stands inside gradient() or a loss, where slopes of slopes would be needed",
      expected: "a call outside of them",
      fix: "inside, call attention(): its slope is taken by itself",
    });
  }
  const saved = kernel.attention(call);
  checkEmptyRows(where, saved.lse, options);
  const { dq, dk, dv, dBias, dSinks } = kernel.attentionBackward(call, saved, toRank4(slope));
  return {
    dq: toRank(dq, rank),
    dk: toRank(dk, rank),
    dv: toRank(dv, rank),
    ...(dBias && { dBias }),
    ...(dSinks && { dSinks }),
  };
}

/** [from, to) within 0…length. */
function part(
  given: readonly [number, number] | undefined,
  length: number,
  where: string,
  name: "rows" | "columns",
): readonly [number, number] {
  if (given === undefined) return [0, length];
  const [from, to] = given;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > length) {
    throw new OptionError({
      where,
      argument: `options.${name}`,
      got: `is [${from}, ${to}]`,
      expected: `[from, to] with 0 ≤ from ≤ to ≤ ${length}, the ${name === "rows" ? "queries" : "keys"}`,
    });
  }
  return given;
}
