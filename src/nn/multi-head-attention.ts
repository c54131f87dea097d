/**
 * @file Multi-head attention with torch's weight names.
 *     head_h = attention(query·W_h^Q, key·W_h^K, value·W_h^V)      output = concat(head_1 … head_H)·W^O
 * Vaswani et al. 2017 (arXiv:1706.03762) §3.2.2. Letters: B batch · Lq, Lk lengths · H heads · D = dModel/H.
 *
 * What attends is an option: `attention` may be any function (q, k, v, options) → output on [B, H, L, D], so a layer
 * can be built on an efficient mechanism without another copy of it.
 */
import { type AttentionOptions, attention, attentionWeights, mergeHeads, splitHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";
import { type Extra, withExtraKeys } from "./extra-keys.js";
import { glorot, type Initialiser, normal, zeros } from "./initialise.js";
import { Linear } from "./linear.js";
import { Module, type Part } from "./module.js";
import { Parameter } from "./parameter.js";

/** What attends: q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, D] → [B, H, Lq, D]. */
export type AttentionFunction = (q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions) => Tensor;

export interface MultiHeadAttentionOptions {
  dModel: number;
  heads: number;
  /** Width of `key`, where it is not dModel (torch's kdim). Three weights then take the place of in_proj_weight. */
  keyDim?: number | undefined;
  /** Width of `value`, where it is not dModel (torch's vdim). */
  valueDim?: number | undefined;
  /** Biases of the four projections; default true. */
  bias?: boolean;
  /** One more key and value, learned, that every query sees (torch's add_bias_kv). */
  biasKV?: boolean;
  /** One more key and value of zeros (torch's add_zero_attn). */
  zeroKV?: boolean;
  /** What attends; default exact `attention`. */
  attention?: AttentionFunction;
  initialiser?: Initialiser;
}

export interface MultiHeadAttentionCall extends AttentionOptions {
  /** Also give the map: `{ output, weights [B, H, Lq, Lk] }`, with the extra keys last. */
  returnWeights?: boolean;
  /** [B, Lq, dModel], added to the output in the same pass. */
  residual?: Tensor | undefined;
}

export class MultiHeadAttention extends Module {
  readonly dModel: number;
  readonly heads: number;
  /** [3·dModel, dModel]: rows of q, then k, then v; where keyDim or valueDim differ, the three apart. */
  readonly #inProjection: { fused: Parameter } | { q: Parameter; k: Parameter; v: Parameter };
  readonly #inBias: Parameter | undefined; // [3·dModel]
  readonly #biasKV: { k: Parameter; v: Parameter } | undefined; // [1, 1, dModel] each
  readonly #zeroKV: boolean;
  readonly #attention: AttentionFunction | undefined;
  readonly output: Linear;

  constructor(options: MultiHeadAttentionOptions) {
    super();
    const { dModel, heads, keyDim = dModel, valueDim = dModel, bias = true, biasKV = false, zeroKV = false } = options;
    if (!(heads > 0) || dModel % heads !== 0) {
      throw new OptionError({
        where: "MultiHeadAttention",
        argument: "heads",
        got: `is ${heads}`,
        expected: `a number that divides dModel ${dModel}`,
      });
    }
    const initialiser = options.initialiser ?? glorot;
    const matrix = (rows: number, columns: number): Parameter => new Parameter([rows, columns], initialiser);
    this.dModel = dModel;
    this.heads = heads;
    this.#inProjection =
      keyDim === dModel && valueDim === dModel
        ? { fused: matrix(3 * dModel, dModel) }
        : { q: matrix(dModel, dModel), k: matrix(dModel, keyDim), v: matrix(dModel, valueDim) };
    this.#inBias = bias ? new Parameter([3 * dModel], zeros) : undefined;
    const extra = (): Parameter => new Parameter([1, 1, dModel], normal(1 / Math.sqrt(dModel)));
    this.#biasKV = biasKV ? { k: extra(), v: extra() } : undefined;
    this.#zeroKV = zeroKV;
    this.#attention = options.attention;
    this.output = new Linear({ inputs: dModel, outputs: dModel, bias, ...(options.initialiser && { initialiser }) });
  }

  parts(): Record<string, Part> {
    const p = this.#inProjection;
    return {
      ...("fused" in p ? { in_proj_weight: p.fused } : { q_proj_weight: p.q, k_proj_weight: p.k, v_proj_weight: p.v }),
      in_proj_bias: this.#inBias,
      bias_k: this.#biasKV?.k,
      bias_v: this.#biasKV?.v,
      out_proj: this.output,
    };
  }

  /**
   * @param query [B, Lq, dModel]   @param key [B, Lk, keyDim], default query   @param value [B, Lk, valueDim], default key
   * @param options all of `attention()`; a boolean mask says who MAY attend, the reverse of torch's
   * @returns [B, Lq, dModel]   @throws {ShapeError} naming the argument and axis that disagree
   */
  forward(
    query: Input,
    key: Input | undefined,
    value: Input | undefined,
    options: MultiHeadAttentionCall & { returnWeights: true },
  ): { output: Tensor; weights: Tensor };
  forward(query: Input, key?: Input, value?: Input, options?: MultiHeadAttentionCall): Tensor;
  forward(
    query: Input,
    key: Input = query,
    value: Input = key,
    { returnWeights = false, residual, ...rules }: MultiHeadAttentionCall = {},
  ): Tensor | { output: Tensor; weights: Tensor } {
    const [x, y, z] = this.#checked(query, key, value);
    const projected = this.#project(x, y, z);
    const extra: Extra[] = [];
    if (this.#biasKV) extra.push({ k: this.#biasKV.k.tensor, v: this.#biasKV.v.tensor });
    if (this.#zeroKV) extra.push("zeros");
    const { k, v, options } = withExtraKeys(projected, this.heads, extra, rules);
    const [qh, kh, vh] = [projected.q, k, v].map((t) => splitHeads(t, this.heads)) as [Tensor, Tensor, Tensor];
    const attend: AttentionFunction = this.#attention ?? attention;
    const merged = mergeHeads(attend(qh, kh, vh, options)); // [B, Lq, dModel]
    const output = this.output.forward(merged, residual && { residual });
    return returnWeights ? { output, weights: attentionWeights(qh, kh, options) } : output;
  }

  /** q [B, Lq, dModel], k and v [B, Lk, dModel]; one product where all three come from one tensor. */
  #project(x: Tensor, y: Tensor, z: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
    const { dModel } = this;
    const p = this.#inProjection;
    const bias = this.#inBias?.tensor;
    if ("fused" in p && x === y && y === z) {
      const qkv = ops().linear(x, p.fused.weight, { bias }); // [B, L, 3·dModel]
      const third = (n: number): Tensor => ops().slice(qkv, 2, n * dModel, (n + 1) * dModel);
      return { q: third(0), k: third(1), v: third(2) };
    }
    const rows = (of: Tensor, n: number): Tensor => ops().slice(of, 0, n * dModel, (n + 1) * dModel);
    const one = (input: Tensor, n: number, separate: (s: { q: Parameter; k: Parameter; v: Parameter }) => Parameter) =>
      ops().linear(input, "fused" in p ? rows(p.fused.tensor, n) : separate(p).weight, { bias: bias && rows(bias, n) });
    return { q: one(x, 0, (s) => s.q), k: one(y, 1, (s) => s.k), v: one(z, 2, (s) => s.v) };
  }

  #checked(query: Input, key: Input, value: Input): [Tensor, Tensor, Tensor] {
    const where = "MultiHeadAttention";
    const p = this.#inProjection;
    const x = asTensor(query, where, "query");
    const y = key === query ? x : asTensor(key, where, "key");
    const z = value === key ? y : value === query ? x : asTensor(value, where, "value");
    const width = (parameter: Parameter): number => parameter.shape[1]!;
    const wanted = "fused" in p ? [this.dModel, this.dModel, this.dModel] : [width(p.q), width(p.k), width(p.v)];
    for (const [n, [name, t]] of (
      [
        ["query", x],
        ["key", y],
        ["value", z],
      ] as const
    ).entries()) {
      if (t.shape.length !== 3 || t.shape[2] !== wanted[n]) {
        throw new ShapeError({
          where,
          argument: name,
          got: `has shape ${show(t.shape)}`,
          expected: `[batch, length, ${wanted[n]}]`,
        });
      }
    }
    for (const [name, t, axis, as, other] of [
      ["key", y, 0, "query", x],
      ["value", z, 0, "query", x],
      ["value", z, 1, "key", y],
    ] as const) {
      if (t.shape[axis] !== other.shape[axis]) {
        throw new ShapeError({
          where,
          argument: name,
          got: `has ${axis === 0 ? "batch" : "length"} ${t.shape[axis]} in ${show(t.shape)}`,
          expected: `${other.shape[axis]}, as in ${as} ${show(other.shape)}`,
        });
      }
    }
    return [x, y, z];
  }
}

type Input = Tensor | TensorLike;
