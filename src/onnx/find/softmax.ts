/**
 * @file Attention written with plain operators, found by its structure:
 *
 *     q ─┐                                                      values ─┐
 *        ├ product → scale, masks, biases, softcap → softmax → guards → ┴ product
 *     k ─┘          (walked backwards)                (walked forwards)
 *
 * Neither names nor the order of nodes play a part. What is tapped is the tensor that enters the product with the
 * values, not the softmax's own: some exports repair rows without a key (NaN) in between.
 */
import { intOf, type Node, standard } from "../proto/model.js";
import { einsumLabels } from "../graph/rules.js";
import type { Scope } from "../graph/scope.js";
import type { Found, Tap } from "./found.js";
import { headsOf } from "./heads.js";
import { isScores, isValues, operands } from "./products.js";
import { plainScores } from "./scores.js";

/** A softmax: what it reads, what it gives, along which axis. */
export interface Softmax {
  node: Node;
  scores: string;
  weights: string;
  axis: number;
  /** QLinearSoftmax: scale and zero point of what it gives. */
  scale?: string[] | undefined;
}

/** A walk longer than this has left the neighbourhood of an attention. */
const farthest = 400;

/** Finds every attention of one graph that is written with plain operators. */
export function findPlain(scope: Scope): Found[] {
  const found: Found[] = [];
  for (const node of scope.order) {
    const softmax = softmaxOf(scope, node);
    const attention = softmax && (attentionAround(scope, softmax) ?? cutUp(scope, softmax));
    if (attention) found.push(attention);
  }
  return found;
}

/**
 * Attention whose scores or weights are written into another tensor piece by piece, as Longformer's diagonals are: what
 * the softmax sees is no map over all keys. It is listed, so that nobody is told that there is none.
 */
function cutUp(scope: Scope, softmax: Softmax): Found | undefined {
  const product = scoresProduct(scope, softmax.scores, pieces.backward);
  const values = product && valuesProduct(scope, softmax.weights, pieces.onward);
  if (!values) return undefined;
  const [q, k] = operands(product)!.map((i) => product.inputs[i]!) as [string, string];
  const { dims } = scope.value(softmax.weights);
  const shape = dims ? ` [${dims.map((d) => d ?? "?").join(", ")}]` : "";
  return {
    scope,
    node: softmax.node,
    tap: {
      form: "hidden",
      why: `its weights${shape} are windows or blocks of keys, cut up and put together again, no map over all keys`,
    },
    q,
    k,
    result: values.node.outputs[0]!,
    heads: undefined,
    witnesses: [softmax.node, product, values.node],
  };
}

function attentionAround(scope: Scope, softmax: Softmax): Found | undefined {
  const values = valuesProduct(scope, softmax.weights);
  if (!values) return undefined;
  const product = scoresProduct(scope, softmax.scores);
  if (!product) return undefined;
  const [left, right] = operands(product)!.map((i) => product.inputs[i]!) as [string, string];
  const tap = tapOf(scope, softmax, values);
  return {
    scope,
    node: softmax.node,
    tap,
    scores: softmax.scores,
    q: left,
    k: right,
    result: values.node.outputs[0]!,
    heads: headsOf(scope, tap, left),
    qk:
      tap.form === "tensor" && !tap.transposed && !tap.perm && !tap.scale
        ? plainScores(scope, softmax, values, product)
        : undefined,
    witnesses: [softmax.node, product, values.node],
  };
}

/** A softmax as one operator, or as exponential, sum and division. */
export function softmaxOf(scope: Scope, node: Node): Softmax | undefined {
  const [input, output] = [node.inputs[0]!, node.outputs[0]!];
  if (standard(node, "Softmax")) {
    return {
      node,
      scores: input,
      weights: output,
      axis: intOf(node, "axis", (scope.value(input).dims?.length ?? 4) > 2 ? -1 : 1),
    };
  }
  if (node.domain === "com.microsoft" && node.op === "BiasSoftmax") {
    return { node, scores: input, weights: output, axis: -1 };
  }
  if (node.domain === "com.microsoft" && node.op === "QLinearSoftmax") {
    return {
      node,
      scores: input,
      weights: output,
      axis: intOf(node, "axis", -1),
      scale: [node.inputs[3]!, node.inputs[4] ?? ""],
    };
  }
  const [exponential, sum] = ratio(scope, node) ?? [];
  if (!exponential || !sum) return undefined;
  const shifted = exponential.inputs[0]!;
  const minus = scope.maker(shifted)?.node;
  const scores = minus && standard(minus, "Sub") ? minus.inputs[0]! : shifted;
  const axes = sum.attributes.get("axes")?.ints ?? scope.value(sum.inputs[1] ?? "").ints;
  return { node, scores, weights: output, axis: axes?.[0] ?? -1 };
}

/** e / Σe, or e · (1 / Σe): the Exp and the ReduceSum. */
function ratio(scope: Scope, node: Node): [Node, Node] | undefined {
  const make = (name: string | undefined): Node | undefined => (name ? scope.maker(name)?.node : undefined);
  const through = (n: Node | undefined): Node | undefined =>
    n && ["Expand", "Cast", "Add", "Max", "Clip", "Identity"].includes(n.op) ? make(n.inputs[0]) : n;
  const pair = (e: Node | undefined, s: Node | undefined): [Node, Node] | undefined => {
    const sum = through(s);
    const made = e && standard(e, "Exp") && sum && standard(sum, "ReduceSum") && sum.inputs[0] === e.outputs[0];
    return made ? [e, sum] : undefined;
  };
  if (standard(node, "Div")) return pair(make(node.inputs[0]), make(node.inputs[1]));
  if (!standard(node, "Mul")) return undefined;
  for (const [a, b] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const inverse = make(node.inputs[b]);
    if (inverse && standard(inverse, "Reciprocal")) return pair(make(node.inputs[a]), make(inverse.inputs[0]));
  }
  return undefined;
}

/** What may stand between the softmax and the product with the values: guards, masks, casts, other layouts. */
const onward = new Set(
  "Cast CastLike Dropout Identity Where IsNaN Mul Div Add Sub Reshape Transpose Expand Unsqueeze Squeeze Flatten QuantizeLinear DequantizeLinear DynamicQuantizeLinear Slice Split Pad Concat Clip Max Min Trilu Tile".split(
    " ",
  ),
);

export interface ValuesProduct {
  node: Node;
  /** The place of the weights among its inputs. */
  place: number;
  /** Nodes passed through from the softmax to here, in this order. */
  path: Node[];
}

/** The nearest product that the weights enter, whose other side is no stored matrix. */
function valuesProduct(
  scope: Scope,
  weights: string,
  through: ReadonlySet<string> = onward,
): ValuesProduct | undefined {
  const seen = new Set<string>([weights]);
  const queue: { name: string; path: Node[] }[] = [{ name: weights, path: [] }];
  for (let i = 0; i < queue.length && i < farthest; i++) {
    const { name, path } = queue[i]!;
    for (const node of scope.users(name)) {
      const place = operands(node)?.find((p) => node.inputs[p] === name);
      if (place !== undefined) {
        if (isValues(scope, node, place)) return { node, place, path };
        continue;
      }
      if (!through.has(node.op) || node.outputs[0] === undefined) continue;
      for (const out of node.outputs.slice(0, node.op === "Split" ? undefined : 1)) {
        if (seen.has(out)) continue;
        seen.add(out);
        queue.push({ name: out, path: [...path, node] });
      }
    }
  }
  return undefined;
}

/** Inputs that carry scores, of operators that may stand between the first product and the softmax. */
const both = [0, 1];
type Through = Record<string, readonly number[]>;
const backward: Through = {
  Add: both, Sub: both, Mul: both, Div: both, Max: both, Min: both, Sum: [0, 1, 2, 3], Where: [1, 2], Concat: [0, 1, 2], Pow: [0],
  QLinearAdd: [0, 3], QLinearMul: [0, 3], QLinearWhere: [1, 4],
  Tanh: [0], Cast: [0], CastLike: [0], Reshape: [0], Transpose: [0], Unsqueeze: [0], Squeeze: [0], Expand: [0], Flatten: [0],
  Slice: [0], Split: [0], Clip: [0], Identity: [0], Neg: [0], Pad: [0], Dropout: [0], GatherElements: [0], Gather: [0], GatherND: [0],
  QuantizeLinear: [0], DequantizeLinear: [0], ScatterND: [0], ScatterElements: [0], Trilu: [0], Relu: [0], Sqrt: [0], Abs: [0],
}; // biome-ignore format: a table

/** The same with what writes pieces of one tensor into another, and takes them out of it. */
const pieces = {
  backward: { ...backward, ScatterND: [0, 2], ScatterElements: [0, 2], Scatter: [0, 2] },
  onward: new Set([...onward, "Gather", "GatherND", "GatherElements", "ScatterND", "ScatterElements", "Scatter"]),
};

/** The product q·kᵀ behind the scores: the nearest whose sides both depend on an input, else the nearest that can be. */
function scoresProduct(scope: Scope, scores: string, through: Through = backward): Node | undefined {
  const seen = new Set<string>([scores]);
  const queue = [scores];
  let possible: Node | undefined;
  for (let i = 0; i < queue.length && i < farthest; i++) {
    const made = scope.maker(queue[i]!);
    if (!made) continue;
    const { node } = made;
    const places = operands(node);
    if (places) {
      if (!isScores(made.scope, node)) continue;
      if (places.every((p) => made.scope.value(node.inputs[p]!).origin === "input")) return node;
      possible ??= node;
      continue;
    }
    for (const place of Object.hasOwn(through, node.op) ? through[node.op]! : []) {
      const name = node.inputs[place];
      if (!name || seen.has(name)) continue;
      seen.add(name);
      queue.push(name);
    }
  }
  return possible;
}

/** Operators that only lay the same numbers out in another way. */
const relayout = new Set(["Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Identity"]);
/** After these the numbers are those of another type: what stands before them is the map. */
const quantising = new Set(["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"]);

/** Which tensor holds the map: the last one whose numbers differ, in the layout with four axes if there is one. */
function tapOf(scope: Scope, softmax: Softmax, { node, place, path }: ValuesProduct): Tap {
  let end = path.length;
  const firstQuantised = path.findIndex((n) => quantising.has(n.op));
  if (firstQuantised >= 0 && path.slice(firstQuantised).every((n) => quantising.has(n.op) || relayout.has(n.op)))
    end = firstQuantised;
  let start = end;
  while (start > 0 && relayout.has(path[start - 1]!.op)) start--;
  const at = (i: number): string => (i === 0 ? softmax.weights : path[i - 1]!.outputs[0]!);
  const rank = (name: string): number | undefined => scope.value(name).dims?.length;
  let chosen = start;
  if (rank(at(start)) !== 4) {
    for (let i = start + 1; i <= end && path[i - 1]!.op !== "Transpose"; i++) {
      if (rank(at(i)) === 4) {
        chosen = i;
        break;
      }
    }
  }
  const tensor = at(chosen);
  const axes = rank(tensor) ?? 4;
  const { axis } = softmax;
  const overQueries = axis === -2 || (axis >= 0 && axis === axes - 2 && axes > 2);
  const labels = node.op === "Einsum" && chosen === path.length ? einsumLabels(node) : undefined;
  const perm = labels && einsumOrder(labels, operands(node)!.indexOf(place));
  return { form: "tensor", tensor, transposed: perm ? false : overQueries, perm, scale: softmax.scale };
}

/**
 * The order of axes that gives [batch, head, query, key]. The key axis is summed over: it is not in the result. The query
 * axis is not in the values. What is left, in the order in which it stands, are batch and head.
 */
function einsumOrder({ inputs, output }: { inputs: string[]; output: string }, place: number): number[] | undefined {
  const weights = [...inputs[place]!];
  const values = inputs[1 - place]!;
  const key = weights.findIndex((l) => values.includes(l) && !output.includes(l));
  const query = weights.findIndex((l) => !values.includes(l) && output.includes(l));
  if (key < 0 || query < 0) return undefined;
  const rest = weights.map((_, i) => i).filter((i) => i !== key && i !== query);
  const perm = [...rest, query, key];
  return perm.every((p, i) => p === i) ? undefined : perm;
}
