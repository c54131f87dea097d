/**
 * @file Matrix products: which operands they have, and whether they can be attention's.
 *
 * A linear layer multiplies by a stored weight. Both products of attention multiply two things that were computed: that
 * alone keeps classifier heads, expert routers and codebooks out, whatever they are called.
 */
import type { Node } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";

/** Places of the two operands among the inputs, by operator. */
const operandsOf: Record<string, readonly [number, number]> = {
  MatMul: [0, 1],
  FusedMatMul: [0, 1],
  TransposeMatMul: [0, 1],
  MatMulInteger: [0, 1],
  MatMulIntegerToFloat: [0, 1],
  DynamicQuantizeMatMul: [0, 1],
  QLinearMatMul: [0, 3],
  Gemm: [0, 1],
  FusedGemm: [0, 1],
  Einsum: [0, 1],
};

/** The two operands' places if a node is a product of two tensors. */
export function operands(node: Node): readonly [number, number] | undefined {
  if (node.domain !== "" && node.domain !== "com.microsoft") return undefined;
  if (node.op === "Einsum" && node.inputs.length !== 2) return undefined;
  return Object.hasOwn(operandsOf, node.op) ? operandsOf[node.op] : undefined;
}

/** Whether a product can be q·kᵀ: neither side is a stored matrix. */
export function isScores(scope: Scope, node: Node): boolean {
  const places = operands(node);
  if (!places) return false;
  const [a, b] = places.map((i) => scope.value(node.inputs[i]!));
  if (b!.origin === "weight") return false;
  // Learned queries may have been folded into a constant [1, H, Tq, D]; a weight of a linear layer has two axes.
  return a!.origin !== "weight" || (a!.dims !== undefined && a!.dims.length >= 3);
}

/** Whether a product takes weights from operand `place` and values, which are no stored matrix, from the other. */
export function isValues(scope: Scope, node: Node, place: number): boolean {
  const places = operands(node);
  if (!places?.includes(place)) return false;
  const other = node.inputs[places[0] === place ? places[1] : places[0]]!;
  return scope.value(other).origin !== "weight";
}
