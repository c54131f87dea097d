/**
 * @file What an operator gives: type, shape and, for short whole-number tensors, contents.
 *
 * Only operators that stand between a model's inputs and its attention scores have a rule. Semantics: onnx/docs/Operators.md
 * and onnxruntime/docs/ContribOperators.md.
 */
import { BOOL, FLOAT, INT64, intOf, type Node } from "../proto/model.js";
import type { Value } from "./scope.js";

type Made = Pick<Value, "type" | "dims"> & Partial<Pick<Value, "ints">>;
type Input = Value | undefined;
type Rule = (inputs: readonly Input[], node: Node) => (Made | undefined)[];
type Dims = (number | undefined)[] | undefined;

const one = (type: number, dims: Dims, ints?: (number | undefined)[]): Made[] => [{ type, dims, ints }];
const typeOf = (x: Input): number => x?.type ?? 0;
const last = (x: Input): number | undefined => x?.dims?.at(-1);
/** Axis −1 of rank 4 is 3. */
const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const withLast = (dims: Dims, d: number | undefined): Dims => dims && [...dims.slice(0, -1), d];

/** NumPy's rule with unknowns: an unknown axis against a known length above 1 is that length. */
export function broadcast(a: Dims, b: Dims): Dims {
  if (!a || !b) return undefined;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a, b].map((d) => (i < rank - d.length ? 1 : d[i - (rank - d.length)]));
    if (x === 1) return y;
    if (y === 1) return x;
    return x ?? y;
  });
}

/** Axes of which only the number is known. A damaged file may claim any number. */
const ofRank = (rank: number | undefined): Dims =>
  rank === undefined || rank > 64 ? undefined : new Array<undefined>(rank).fill(undefined);

const same: Rule = ([x]) => one(typeOf(x), x?.dims, x?.ints);
const likeFirst: Rule = ([x]) => one(typeOf(x), x?.dims);
/** Axes from an attribute (before opset 13 or 18) or from an input. */
const axesOf = (node: Node, x: Input): number[] | undefined => {
  const given = node.attributes.get("axes")?.ints ?? x?.ints;
  return given?.every((a) => a !== undefined) ? (given as number[]) : undefined;
};

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

const matmul = (a: Dims, b: Dims): Dims => {
  if (!a || !b || a.length === 0 || b.length === 0) return undefined;
  if (a.length === 1 || b.length === 1) return undefined; // vectors do not occur here
  const lead = broadcast(a.slice(0, -2), b.slice(0, -2));
  return lead && [...lead, a.at(-2), b.at(-1)];
};
const swapped = (dims: Dims): Dims => dims && [...dims.slice(0, -2), dims.at(-1), dims.at(-2)];

const reduce: Rule = ([x, axesInput], node) => {
  const dims = x?.dims;
  const keep = intOf(node, "keepdims", 1) === 1;
  const given = axesOf(node, axesInput);
  if (!dims || (axesInput && !given)) return one(typeOf(x), undefined);
  const axes = (given ?? dims.map((_, i) => i)).map((a) => axisOf(a, dims.length));
  const out = keep ? dims.map((d, i) => (axes.includes(i) ? 1 : d)) : dims.filter((_, i) => !axes.includes(i));
  return one(typeOf(x), out);
};

const reshape: Rule = ([x, shape], node) => {
  const target = shape?.ints ?? node.attributes.get("shape")?.ints;
  if (!target) {
    const rank = shape?.dims?.[0];
    return one(typeOf(x), ofRank(rank));
  }
  const zero = intOf(node, "allowzero", 0) === 0;
  const dims: (number | undefined)[] = target.map((d, i) => (d === 0 && zero ? x?.dims?.[i] : d));
  const open = dims.indexOf(-1);
  if (open >= 0) {
    const rest = dims.filter((_, i) => i !== open);
    const lengths = x?.dims;
    const unknown = (list: (number | undefined)[]): number => list.filter((d) => d === undefined).length;
    const product = (list: (number | undefined)[]): number => list.reduce<number>((n, d) => n * (d ?? 1), 1);
    // Lengths that are not known are the same ones on both sides (batch, tokens): they cancel.
    const quotient = lengths && unknown(lengths) === unknown(rest) ? product(lengths) / product(rest) : undefined;
    dims[open] = quotient !== undefined && Number.isInteger(quotient) && quotient > 0 ? quotient : undefined;
  }
  return one(typeOf(x), dims, x?.ints && dims.length <= 1 ? x.ints : undefined);
};

const squeeze: Rule = ([x, axesInput], node) => {
  const axes = axesOf(node, axesInput);
  const dims = x?.dims;
  if (!dims) return one(typeOf(x), undefined, x?.ints);
  const gone = axes?.map((a) => axisOf(a, dims.length));
  const out = gone
    ? dims.filter((_, i) => !gone.includes(i))
    : dims.includes(undefined)
      ? undefined
      : dims.filter((d) => d !== 1);
  return one(typeOf(x), out, x?.ints);
};

const unsqueeze: Rule = ([x, axesInput], node) => {
  const axes = axesOf(node, axesInput);
  const dims = x?.dims;
  if (!axes || !dims) return one(typeOf(x), undefined);
  const rank = dims.length + axes.length;
  const at = axes.map((a) => axisOf(a, rank));
  const rest = [...dims];
  const out = Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : rest.shift()));
  return one(typeOf(x), out, rank <= 1 ? x?.ints : undefined);
};

const transpose: Rule = ([x], node) => {
  const dims = x?.dims;
  const perm = node.attributes.get("perm")?.ints ?? dims?.map((_, i) => dims.length - 1 - i);
  return one(typeOf(x), dims && perm?.length === dims.length ? perm.map((p) => dims[p]) : undefined);
};

const concat: Rule = (inputs, node) => {
  const first = inputs[0];
  const rank = inputs.find((x) => x?.dims)?.dims?.length;
  if (rank === undefined) return one(typeOf(first), undefined);
  const axis = axisOf(intOf(node, "axis", 0), rank);
  const dims = Array.from({ length: rank }, (_, i) => {
    const lengths = inputs.map((x) => x?.dims?.[i]);
    if (i !== axis) return lengths.find((d) => d !== undefined);
    return lengths.every((d) => d !== undefined) ? lengths.reduce<number>((n, d) => n + d!, 0) : undefined;
  });
  const ints = rank === 1 && inputs.some((x) => x?.ints);
  const parts = inputs.map((x) => x?.ints ?? ofRank(x?.dims?.[0]));
  return one(typeOf(first), dims, ints && parts.every((p) => p) ? parts.flatMap((p) => p!) : undefined);
};

const slice: Rule = ([x, starts, ends, axesInput, steps], node) => {
  const dims = x?.dims;
  const list = (name: string, from: Input): (number | undefined)[] | undefined =>
    node.attributes.get(name)?.ints ?? from?.ints;
  const [from, to] = [list("starts", starts), list("ends", ends)];
  if (!dims) return one(typeOf(x), undefined);
  const axes = list("axes", axesInput) ?? (axesInput ? undefined : from?.map((_, i) => i));
  if (!axes)
    return one(
      typeOf(x),
      dims.map(() => undefined),
    );
  const out = [...dims];
  let ints = x?.ints;
  axes.forEach((a, i) => {
    if (a === undefined) return void out.fill(undefined);
    const axis = axisOf(a, dims.length);
    const [d, s, e, step] = [dims[axis], from?.[i], to?.[i], steps ? steps.ints?.[i] : 1];
    const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + d! : v, 0), d!);
    const known = d !== undefined && s !== undefined && e !== undefined && step === 1;
    out[axis] = known ? Math.max(0, clamp(e!) - clamp(s!)) : undefined;
    ints = known && dims.length === 1 ? ints?.slice(clamp(s!), clamp(e!)) : undefined;
  });
  return one(typeOf(x), out, ints);
};

const gather: Rule = ([x, index], node) => {
  const dims = x?.dims;
  const where = index?.dims;
  if (!dims || !where) return one(typeOf(x), undefined);
  const axis = axisOf(intOf(node, "axis", 0), dims.length);
  const picked =
    x.ints && index.ints && where.length <= 1
      ? index.ints.map((i) => (i === undefined ? undefined : x.ints!.at(i)))
      : undefined;
  return one(typeOf(x), [...dims.slice(0, axis), ...where, ...dims.slice(axis + 1)], picked);
};

const split: Rule = ([x, sizes], node) => {
  const dims = x?.dims;
  const parts = sizes?.ints ?? node.attributes.get("split")?.ints;
  const n = node.outputs.length;
  return node.outputs.map((_, i) => {
    if (!dims) return { type: typeOf(x), dims: undefined };
    const axis = axisOf(intOf(node, "axis", 0), dims.length);
    const whole = dims[axis];
    const part = parts ? parts[i] : whole === undefined ? undefined : Math.ceil(whole / n);
    return { type: typeOf(x), dims: dims.map((d, j) => (j === axis ? part : d)) };
  });
};

const expand: Rule = ([x, shape]) => {
  if (shape?.ints) return one(typeOf(x), broadcast(x?.dims, shape.ints), undefined);
  const rank = shape?.dims?.[0];
  return one(typeOf(x), ofRank(rank));
};

const where: Rule = ([c, a, b]) => {
  const dims = broadcast(c?.dims, broadcast(a?.dims, b?.dims));
  const n = Math.max(c?.ints?.length ?? 0, a?.ints?.length ?? 0, b?.ints?.length ?? 0);
  const at = (x: Input, i: number): number | undefined => x?.ints?.[x.ints.length === 1 ? 0 : i];
  const ints =
    dims && dims.length <= 1 && n > 0 && a?.ints && b?.ints
      ? Array.from({ length: n }, (_, i) => {
          const condition = at(c, i);
          // An unknown condition is no loss where both sides say the same.
          return condition === undefined
            ? at(a, i) === at(b, i)
              ? at(a, i)
              : undefined
            : condition
              ? at(a, i)
              : at(b, i);
        })
      : undefined;
  return one(typeOf(a) || typeOf(b), dims, ints);
};

const constant: Rule = (_, node) => {
  const { tensor, i, f, ints, floats } = node.attributes.get("value") ?? [...node.attributes.values()][0] ?? {};
  if (tensor) return one(tensor.type, tensor.dims, tensor.dims.length <= 1 ? tensor.values : undefined);
  if (ints) return one(INT64, [ints.length], ints);
  if (i !== undefined) return one(INT64, [], [i]);
  if (floats) return one(FLOAT, [floats.length]);
  return f !== undefined ? one(FLOAT, []) : one(0, undefined);
};

const constantOfShape: Rule = ([shape], node) => {
  const value = node.attributes.get("value")?.tensor;
  const dims = shape?.ints ?? ofRank(shape?.dims?.[0]);
  const n = dims?.length === 1 ? dims[0] : undefined;
  const fill = value?.values?.[0] ?? 0;
  return one(value?.type ?? FLOAT, dims, n !== undefined && n <= 64 ? new Array<number>(n).fill(fill) : undefined);
};

const shapeOf: Rule = ([x], node) => {
  const dims = x?.dims;
  if (!dims) return one(INT64, [undefined]);
  const [start, end] = [intOf(node, "start", 0), intOf(node, "end", dims.length)];
  const part = dims.slice(start, end);
  return one(INT64, [part.length], part);
};

const range: Rule = ([start, limit, delta]) => {
  const [s, l, d] = [start, limit, delta].map((x) => x?.ints?.[0]);
  const n = s === undefined || l === undefined || !d ? undefined : Math.max(0, Math.ceil((l - s) / d));
  return one(
    typeOf(start),
    [n],
    n !== undefined && n <= 64 ? Array.from({ length: n }, (_, i) => s! + i * d!) : undefined,
  );
};

const flatten: Rule = ([x], node) => {
  const dims = x?.dims;
  if (!dims) return one(typeOf(x), [undefined, undefined]);
  const axis = axisOf(intOf(node, "axis", 1), dims.length);
  const product = (list: Dims): number | undefined =>
    list!.includes(undefined) ? undefined : list!.reduce<number>((n, d) => n * d!, 1);
  return one(typeOf(x), [product(dims.slice(0, axis)), product(dims.slice(axis))]);
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
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: () => one(INT64, []),
  Range: range,
  Cast: ([x], node) => one(to(node), x?.dims, x?.ints),
  CastLike: ([x, like]) => one(typeOf(like), x?.dims, x?.ints),
  Identity: same,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Split: split,
  Gather: gather,
  GatherElements: ([x, index]) => one(typeOf(x), index?.dims),
  Expand: expand,
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
  Where: where,
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
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ReduceMin: reduce,
  ReduceL2: reduce,
  ReduceProd: reduce,
  ReduceLogSumExp: reduce,
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
