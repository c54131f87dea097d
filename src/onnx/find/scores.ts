/**
 * @file Whether q and k can be kept instead of the map.
 *
 * They can where the scores are softcap(scale · q kᵀ) + biases and nothing else happens up to the product with the
 * values. Then a head costs O(T·d) numbers instead of O(T²). Anything else, and any bias of one head alone, keeps the map.
 */
import { floatOf, FLOAT, intOf, type Node, standard } from "../proto/model.js";
import type { Scope } from "../graph/scope.js";
import type { QkTap } from "./found.js";
import { operands } from "./products.js";
import type { Softmax, ValuesProduct } from "./softmax.js";

/** The repairs of rows without a key that leave every other row alone. */
const repairs = new Set(["Cast", "Identity", "Dropout", "Where", "IsNaN"]);

export function plainScores(scope: Scope, softmax: Softmax, values: ValuesProduct, product: Node): QkTap | undefined {
  const { path } = values;
  if (softmax.node.op !== "Softmax" || !path.every((n) => repairs.has(n.op))) return undefined;
  if (path.some((n) => n.op === "Where") && !path.some((n) => n.op === "IsNaN") && !guarded(scope, path))
    return undefined;
  const chain = chainTo(scope, softmax.scores, product);
  if (!chain) return undefined;
  const tap = operandsTap(scope, product, chain);
  return tap && { ...tap, v: plainValues(scope, values) };
}

/** The other side of the product with the values, where it is a plain one of four axes. */
function plainValues(scope: Scope, { node, place }: ValuesProduct): string | undefined {
  const v = node.inputs[1];
  if (!standard(node, "MatMul") || place !== 0 || v === undefined) return undefined;
  const { dims, type } = scope.value(v);
  return dims?.length === 4 && (type === FLOAT || type === 0) ? v : undefined;
}

/** A Where whose condition is an IsNaN of the weights. */
function guarded(scope: Scope, path: readonly Node[]): boolean {
  const where = path.find((n) => n.op === "Where")!;
  return scope.maker(where.inputs[0]!)?.node.op === "IsNaN";
}

interface Chain {
  scale: number;
  softcap?: number;
  biases: string[];
}

/** Reads the operators between product and softmax, from the softmax backwards. */
function chainTo(scope: Scope, scores: string, product: Node): Chain | undefined {
  const biases: string[] = [];
  let scale = 1;
  let softcap: number | undefined;
  let name = scores;
  for (let i = 0; i < 12; i++) {
    const node = scope.maker(name)?.node;
    if (!node) return undefined;
    if (node === product) return { scale, biases, ...(softcap && { softcap }) };
    if (standard(node, "Cast") || standard(node, "Identity")) {
      name = node.inputs[0]!;
    } else if (standard(node, "Add")) {
      if (scale !== 1 || softcap) return undefined; // a bias inside of a scale is another formula
      const side = node.inputs.findIndex((x) => leadsTo(scope, x, product));
      const bias = node.inputs[1 - side];
      if (side < 0 || !bias || !sharedByHeads(scope, bias)) return undefined;
      biases.push(bias);
      name = node.inputs[side]!;
    } else if (standard(node, "Mul") || standard(node, "Div")) {
      const side = node.op === "Div" ? 0 : node.inputs.findIndex((x) => number(scope, x) === undefined);
      const factor = side < 0 ? undefined : number(scope, node.inputs[1 - side]!);
      if (!factor) return undefined;
      name = node.inputs[side]!;
      const before = scope.maker(name)?.node;
      if (node.op === "Mul" && before && standard(before, "Tanh")) {
        const inner = scope.maker(before.inputs[0]!)?.node;
        const divisor = inner && standard(inner, "Div") ? number(scope, inner.inputs[1]!) : undefined;
        if (scale !== 1 || divisor !== factor) return undefined;
        softcap = factor;
        name = inner!.inputs[0]!;
      } else scale *= node.op === "Div" ? 1 / factor : factor;
    } else return undefined;
  }
  return undefined;
}

/** Whether a value is made from the product by a few simple operators. */
function leadsTo(scope: Scope, name: string, product: Node, depth = 0): boolean {
  const node = scope.maker(name)?.node;
  if (!node || depth > 10) return false;
  if (node === product) return true;
  if (!["Add", "Mul", "Div", "Cast", "Identity", "Tanh"].includes(node.op)) return false;
  return node.inputs.some((x) => leadsTo(scope, x, product, depth + 1));
}

/** The number of a constant with one element. */
function number(scope: Scope, name: string): number | undefined {
  const made = scope.maker(name);
  if (!made) {
    for (let s: Scope | undefined = scope; s; s = s.parent) {
      const t = s.graph.initializers.get(name);
      if (t) return t.values?.length === 1 ? t.values[0] : undefined;
    }
    return undefined;
  }
  const { node } = made;
  if (standard(node, "Constant")) {
    const { tensor, f } = [...node.attributes.values()][0] ?? {};
    return tensor?.values?.length === 1 ? tensor.values[0] : f;
  }
  return standard(node, "Cast") || standard(node, "Identity") ? number(made.scope, node.inputs[0]!) : undefined;
}

/** A bias [B, 1, Tq, Tk], or without the first axes, is no larger than one head's map. */
function sharedByHeads(scope: Scope, bias: string): boolean {
  const { dims, type } = scope.value(bias);
  if (!dims || (type !== 0 && type !== FLOAT)) return false;
  return dims.length < 3 || dims.at(-3) === 1;
}

function operandsTap(scope: Scope, product: Node, chain: Chain): QkTap | undefined {
  const fused = product.op === "FusedMatMul";
  if (!fused && !standard(product, "MatMul")) return undefined;
  if (fused && (intOf(product, "transA", 0) !== 0 || intOf(product, "transBatchA", 0) !== 0)) return undefined;
  if (fused && intOf(product, "transBatchB", 0) !== 0) return undefined;
  const [q, k] = operands(product)!.map((i) => product.inputs[i]!) as [string, string];
  const [a, b] = [scope.value(q), scope.value(k)];
  const plain = (v: typeof a): boolean => v.dims?.length === 4 && (v.type === FLOAT || v.type === 0);
  if (!plain(a) || !plain(b)) return undefined;
  const alpha = fused ? floatOf(product, "alpha", 1) : 1;
  return { q, k, kTransposed: !(fused && intOf(product, "transB", 0) === 1), ...chain, scale: chain.scale * alpha };
}
