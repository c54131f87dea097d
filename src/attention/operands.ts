/** @file q, k and v: their axes checked against each other, as views of one form whatever their rank. */
import { ops } from "../kernels/current.js";
import { asTensor, ShapeError, show, type Tensor, type TensorLike } from "../tensor/index.js";
import { type HeadsView, headsOf } from "./heads.js";

const RANKS = "2, 3 or 4: [length, headDim], [heads, length, headDim] or [batch, heads, length, headDim]";

/** What an attention works on. */
export interface Operands {
  q: HeadsView;
  k: HeadsView;
  v: HeadsView;
}

/** Views of q, k, v (and how many axes q had), or an error that names argument, axis, what came and what would do. */
export function operands(
  where: string,
  given: { q: Tensor | TensorLike; k: Tensor | TensorLike; v?: Tensor | TensorLike },
): Operands & { rank: number } {
  const q = asTensor(given.q, where, "q");
  const rank = q.shape.length;
  if (rank < 2 || rank > 4) {
    throw new ShapeError({
      where,
      argument: "q",
      got: `has ${rank} axes in ${show(q.shape)}`,
      expected: RANKS,
      ...(rank === 1 && { fix: "reshape one token to [1, headDim]" }),
    });
  }
  const view = (argument: "k" | "v", value: Tensor | TensorLike): HeadsView => {
    const t = asTensor(value, where, argument);
    if (t.shape.length !== rank) {
      throw new ShapeError({
        where,
        argument,
        got: `has ${t.shape.length} axes in ${show(t.shape)}`,
        expected: `${rank} axes, as in q ${show(q.shape)}`,
        fix: "give q, k and v the same axes; splitHeads turns [batch, length, heads·headDim] into four",
      });
    }
    return headsOf(toRank4(t));
  };
  const k = view("k", given.k);
  const out = { q: headsOf(toRank4(q)), k, v: "v" in given ? view("v", given.v as Tensor) : k, rank };
  checkOperands(where, out, "v" in given);
  return out;
}

/** [L, D] and [H, L, D] with the leading axes they stand for. Through the operations, so that a recorder sees it. */
export function toRank4(x: Tensor): Tensor {
  if (x.shape.length === 4) return x;
  return ops().reshape(x, [...Array<number>(4 - x.shape.length).fill(1), ...x.shape]);
}

/** Back to as many axes as q had. */
export function toRank(x: Tensor, rank: number): Tensor {
  return rank === x.shape.length ? x : ops().reshape(x, x.shape.slice(x.shape.length - rank));
}

const shapeOf = (x: HeadsView): string => show([x.batch, x.heads, x.length, x.headDim]);

/** Every axis of k and v against q. */
export function checkOperands(where: string, { q, k, v }: Operands, withValues = true): void {
  const refuse = (argument: string, x: HeadsView, axis: keyof HeadsView, expected: string, fix?: string): never => {
    throw new ShapeError({
      where,
      argument,
      got: `has ${axis} ${x[axis]} in ${shapeOf(x)}`,
      expected,
      ...(fix !== undefined && { fix }),
    });
  };
  const like = (axis: keyof HeadsView, name: string, x: HeadsView): string =>
    `${axis} ${x[axis]}, as in ${name} ${shapeOf(x)}`;
  if (q.headDim === 0) refuse("q", q, "headDim", "headDim of at least 1");
  if (k.batch !== q.batch)
    refuse(
      "k",
      k,
      "batch",
      like("batch", "q", q),
      "give every operand the same batch items; repeat the one that serves all",
    );
  if (k.headDim !== q.headDim)
    refuse("k", k, "headDim", like("headDim", "q", q), `project k to ${q.headDim} per head before splitHeads`);
  if (k.heads !== q.heads && (k.heads === 0 || q.heads % k.heads !== 0)) {
    refuse(
      "k",
      k,
      "heads",
      `a divisor of ${q.heads}, the heads of q ${shapeOf(q)}`,
      "give k and v as many heads as q, or one per group of query heads",
    );
  }
  if (!withValues) return;
  if (v.batch !== q.batch)
    refuse(
      "v",
      v,
      "batch",
      like("batch", "q", q),
      "give every operand the same batch items; repeat the one that serves all",
    );
  if (v.heads !== k.heads) refuse("v", v, "heads", like("heads", "k", k), "k and v are split into the same heads");
  if (v.length !== k.length)
    refuse("v", v, "length", like("length", "k", k), "every key needs its value: cut or pad both alike");
}
