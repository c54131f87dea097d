/**
 * @file What an operator gives: type, shape and, for short whole-number tensors, contents.
 *
 * Only operators that stand between a model's inputs and its attention scores have a rule. Semantics: onnx/docs/Operators.md
 * and onnxruntime/docs/ContribOperators.md.
 */
import { BOOL, FLOAT, INT64, intOf, type Node } from "../proto/model.js";
import { broadcast, last, likeFirst, matmul, one, type Rule, same, swapped, typeOf, withLast } from "./rule.js";
import * as shaping from "./shaping.js";

type Arithmetic = (a: number, b: number) => number;
/** Element-wise on two operands; short integers are worked out. */
const elementWise =
  (compute?: Arithmetic, type?: number): Rule =>
  ([a, b]) => {
    const dims = broadcast(a?.dims, b?.dims);
    let ints: (number | undefined)[] | undefined;
    if (compute && a?.ints && b?.ints) {
      const n = a.ints.length === 0 || b.ints.length === 0 ? 0 : Math.max(a.ints.length, b.ints.length);
      ints = Array.from({ length: n }, (_, i) => {
        const [x, y] = [a.ints!, b.ints!].map((v) => v[v.length === 1 ? 0 : i]);
        return x === undefined || y === undefined ? undefined : compute(x, y);
      });
    }
    return one(type ?? typeOf(a), dims, ints);
  };

const gemm: Rule = ([a, b], node) => {
  const [x, w] = [
    intOf(node, "transA", 0) ? swapped(a?.dims) : a?.dims,
    intOf(node, "transB", 0) ? swapped(b?.dims) : b?.dims,
  ];
  return one(typeOf(a), [x?.[0], w?.[1]]);
};

const fusedMatmul: Rule = ([a, b], node) =>
  one(
    typeOf(a),
    matmul(
      intOf(node, "transA", 0) ? swapped(a?.dims) : a?.dims,
      intOf(node, "transB", 0) ? swapped(b?.dims) : b?.dims,
    ),
  );

/** Labels of an Einsum: ["bhid", "bhjd"] and "bhij"; undefined for equations with "…" or without "->". */
export function einsumLabels(node: Node): { inputs: string[]; output: string } | undefined {
  const [left, output] = (node.attributes.get("equation")?.s ?? "").replaceAll(" ", "").split("->");
  if (!left || output === undefined || left.includes(".")) return undefined;
  return { inputs: left.split(","), output };
}

const einsum: Rule = (inputs, node) => {
  const labels = einsumLabels(node);
  if (!labels) return one(typeOf(inputs[0]), undefined);
  const length = new Map<string, number>();
  labels.inputs.forEach((text, i) => {
    [...text].forEach((label, axis) => {
      const d = inputs[i]?.dims?.[axis];
      if (d !== undefined) length.set(label, d);
    });
  });
  return one(
    typeOf(inputs[0]),
    [...labels.output].map((label) => length.get(label)),
  );
};

const convolution: Rule = ([x, w]) =>
  one(
    typeOf(x),
    x?.dims?.map((d, i) => (i === 0 ? d : i === 1 ? w?.dims?.[0] : undefined)),
  );

/** A matrix product whose second operand is packed in blocks: the attribute N is its width. */
const packedLinear: Rule = ([x], node) => one(typeOf(x), withLast(x?.dims, node.attributes.get("N")?.i));

const quantise: Rule = ([x, , zero]) => one(typeOf(zero) || 2, x?.dims);

const compare = elementWise(undefined, BOOL);
const to = (node: Node): number => intOf(node, "to", 0);

/** Rules by operator, the standard's and com.microsoft's: their names do not clash. */
export const rules: Record<string, Rule> = {
  Constant: shaping.constant,
  ConstantOfShape: shaping.constantOfShape,
  Shape: shaping.shapeOf,
  Size: () => one(INT64, []),
  Range: shaping.range,
  Cast: ([x], node) => one(to(node), x?.dims, x?.ints),
  CastLike: ([x, like]) => one(typeOf(like), x?.dims, x?.ints),
  Identity: same,
  Reshape: shaping.reshape,
  Flatten: shaping.flatten,
  Squeeze: shaping.squeeze,
  Unsqueeze: shaping.unsqueeze,
  Transpose: shaping.transpose,
  Concat: shaping.concat,
  Slice: shaping.slice,
  Split: shaping.split,
  Gather: shaping.gather,
  GatherElements: ([x, index]) => one(typeOf(x), index?.dims),
  Expand: shaping.expand,
  Tile: ([x]) =>
    one(
      typeOf(x),
      x?.dims?.map(() => undefined),
    ),
  Pad: ([x]) =>
    one(
      typeOf(x),
      x?.dims?.map(() => undefined),
    ),
  Where: shaping.where,
  Add: elementWise((a, b) => a + b),
  Sub: elementWise((a, b) => a - b),
  Mul: elementWise((a, b) => a * b),
  Div: elementWise((a, b) => (b === 0 ? 0 : Math.trunc(a / b))),
  Equal: elementWise((a, b) => Number(a === b), BOOL),
  Pow: elementWise(),
  Mod: elementWise(),
  PRelu: elementWise(),
  Min: elementWise((a, b) => Math.min(a, b)),
  Max: elementWise((a, b) => Math.max(a, b)),
  Less: compare,
  LessOrEqual: compare,
  Greater: compare,
  GreaterOrEqual: compare,
  And: compare,
  Or: compare,
  Xor: compare,
  Not: ([x]) => one(BOOL, x?.dims),
  IsNaN: ([x]) => one(BOOL, x?.dims),
  IsInf: ([x]) => one(BOOL, x?.dims),
  MatMul: ([a, b]) => one(typeOf(a), matmul(a?.dims, b?.dims)),
  FusedMatMul: fusedMatmul,
  MatMulInteger: ([a, b]) => one(6, matmul(a?.dims, b?.dims)),
  MatMulIntegerToFloat: ([a, b]) => one(FLOAT, matmul(a?.dims, b?.dims)),
  DynamicQuantizeMatMul: ([a, b]) => one(FLOAT, matmul(a?.dims, b?.dims)),
  QLinearMatMul: (x) => one(typeOf(x[7]), matmul(x[0]?.dims, x[3]?.dims)),
  MatMulNBits: packedLinear,
  MatMulBnb4: packedLinear,
  Gemm: gemm,
  FusedGemm: gemm,
  Einsum: einsum,
  Conv: convolution,
  FusedConv: convolution,
  ReduceSum: shaping.reduce,
  ReduceMean: shaping.reduce,
  ReduceMax: shaping.reduce,
  ReduceMin: shaping.reduce,
  ReduceL2: shaping.reduce,
  ReduceProd: shaping.reduce,
  ReduceLogSumExp: shaping.reduce,
  QuantizeLinear: quantise,
  DequantizeLinear: ([x, scale]) => one(typeOf(scale) || FLOAT, x?.dims),
  DynamicQuantizeLinear: ([x]) => [
    { type: 2, dims: x?.dims },
    { type: FLOAT, dims: [] },
    { type: 2, dims: [] },
  ],
  EmbedLayerNormalization: ([ids, , table]) => [
    { type: typeOf(table), dims: ids?.dims && [...ids.dims, last(table)] },
    { type: 6, dims: [ids?.dims?.[0]] },
  ],
  SkipLayerNormalization: ([x]) => [
    { type: typeOf(x), dims: x?.dims },
    undefined,
    undefined,
    { type: typeOf(x), dims: x?.dims },
  ],
  SkipSimplifiedLayerNormalization: ([x]) => [
    { type: typeOf(x), dims: x?.dims },
    undefined,
    undefined,
    { type: typeOf(x), dims: x?.dims },
  ],
  Attention: (inputs, node) =>
    node.domain === "" ? likeFirst(inputs, node) : one(typeOf(inputs[0]), withLast(inputs[0]?.dims, undefined)),
  MultiHeadAttention: likeFirst,
  GroupQueryAttention: likeFirst,
};
for (const op of "Softmax LogSoftmax Tanh Sigmoid Relu Gelu Erf Exp Log Sqrt Reciprocal Neg Abs Sin Cos Floor Ceil Round Sign Clip Elu LeakyRelu Selu Softplus HardSigmoid HardSwish Swish Mish Dropout LayerNormalization SimplifiedLayerNormalization RMSNormalization InstanceNormalization GroupNormalization BatchNormalization Trilu CumSum ScatterND ScatterElements BiasGelu FastGelu QuickGelu BiasSoftmax RotaryEmbedding GemmaRotaryEmbedding".split(
  " ",
)) {
  rules[op] = likeFirst;
}
