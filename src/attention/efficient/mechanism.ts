/** @file The common shape of a mechanism: `(q, k, v, options) → output [B, H, Lq, Dv]`, with `.cost(shape, options)`. */
import { ops } from "../../kernels/current.js";
import type { Tensor, TensorLike } from "../../tensor/index.js";
import { type BoundAttention, bound } from "./bound.js";
import { type Cost, type CostShape, countCost } from "./cost.js";
import { type CommonOptions, type Problem, problem } from "./operands.js";

export interface Mechanism<O extends CommonOptions> {
  /** Attention by this mechanism; the result has the rank of q. */
  (q: Tensor | TensorLike, k: Tensor | TensorLike, v: Tensor | TensorLike, options?: O): Tensor;
  /** With its options alone: the `attention` of a layer, as in `new EncoderBlock({ …, attention: longformer({ window: 128 }) })`. */
  (options: O): BoundAttention;
  /**
   * What a call costs, counted by running the same code over operations that count instead of computing.
   * @param shape `{ batch, heads, keyHeads, length, keyLength, headDim, valueDim }` (1 head of 64 by default) or [B, H, L, D];
   * options may stand beside the lengths or be given apart
   */
  cost(shape: CostShape & Partial<O>, options?: O): Cost;
  readonly mechanism: string;
}

/** Makes a mechanism of a name and of what it does with operands in one form. */
export function mechanism<O extends CommonOptions>(
  name: string,
  run: (p: Problem, options: O) => Tensor,
): Mechanism<O> {
  const call = (q: Tensor | TensorLike, k: Tensor | TensorLike, v: Tensor | TensorLike, options = {} as O): Tensor =>
    ops().scope(() => {
      const p = problem(name, q, k, v, options);
      const out = run(p, options);
      const rank = (q.shape ?? (q as TensorLike).dims)!.length;
      return rank === 4 ? out : ops().reshape(out, out.shape.slice(4 - rank));
    });
  const either = (q: Tensor | TensorLike | O, k?: Tensor | TensorLike, v?: Tensor | TensorLike, options?: O) =>
    isOptions(q) && k === undefined ? bound<O>(name, call, q) : call(q as Tensor, k!, v!, options);
  return Object.assign(either as Mechanism<O>, {
    mechanism: name,
    cost: (shape: CostShape & Partial<O>, options?: O) => countCost(call, shape, options),
  });
}

function isOptions<O>(x: Tensor | TensorLike | O): x is O {
  return typeof x === "object" && x !== null && !("shape" in x) && !("dims" in x) && !("data" in x);
}
