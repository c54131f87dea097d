/**
 * @file Operators that move, cut and join axes, or make shapes: those that exporters put between a model's inputs and its
 * attention scores. Short whole-number tensors are worked out, since they are the shapes of what follows.
 */
import { FLOAT, INT64, intOf, type Node } from "../proto/model.js";
import { axisOf, broadcast, type Dims, type Input, ofRank, one, type Rule, typeOf } from "./rule.js";

/** Axes from an attribute (before opset 13 or 18) or from an input. */
const axesOf = (node: Node, x: Input): number[] | undefined => {
  const given = node.attributes.get("axes")?.ints ?? x?.ints;
  return given?.every((a) => a !== undefined) ? (given as number[]) : undefined;
};

export const reduce: Rule = ([x, axesInput], node) => {
  const dims = x?.dims;
  const keep = intOf(node, "keepdims", 1) === 1;
  const given = axesOf(node, axesInput);
  if (!dims || (axesInput && !given)) return one(typeOf(x), undefined);
  const axes = (given ?? dims.map((_, i) => i)).map((a) => axisOf(a, dims.length));
  const out = keep ? dims.map((d, i) => (axes.includes(i) ? 1 : d)) : dims.filter((_, i) => !axes.includes(i));
  return one(typeOf(x), out);
};

export const reshape: Rule = ([x, shape], node) => {
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

export const squeeze: Rule = ([x, axesInput], node) => {
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

export const unsqueeze: Rule = ([x, axesInput], node) => {
  const axes = axesOf(node, axesInput);
  const dims = x?.dims;
  if (!axes || !dims) return one(typeOf(x), undefined);
  const rank = dims.length + axes.length;
  const at = axes.map((a) => axisOf(a, rank));
  const rest = [...dims];
  const out = Array.from({ length: rank }, (_, i) => (at.includes(i) ? 1 : rest.shift()));
  return one(typeOf(x), out, rank <= 1 ? x?.ints : undefined);
};

export const transpose: Rule = ([x], node) => {
  const dims = x?.dims;
  const perm = node.attributes.get("perm")?.ints ?? dims?.map((_, i) => dims.length - 1 - i);
  return one(typeOf(x), dims && perm?.length === dims.length ? perm.map((p) => dims[p]) : undefined);
};

export const concat: Rule = (inputs, node) => {
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

export const slice: Rule = ([x, starts, ends, axesInput, steps], node) => {
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

export const gather: Rule = ([x, index], node) => {
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

export const split: Rule = ([x, sizes], node) => {
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

export const expand: Rule = ([x, shape]) => {
  if (shape?.ints) return one(typeOf(x), broadcast(x?.dims, shape.ints), undefined);
  const rank = shape?.dims?.[0];
  return one(typeOf(x), ofRank(rank));
};

export const where: Rule = ([c, a, b]) => {
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

export const constant: Rule = (_, node) => {
  const { tensor, i, f, ints, floats } = node.attributes.get("value") ?? [...node.attributes.values()][0] ?? {};
  if (tensor) return one(tensor.type, tensor.dims, tensor.dims.length <= 1 ? tensor.values : undefined);
  if (ints) return one(INT64, [ints.length], ints);
  if (i !== undefined) return one(INT64, [], [i]);
  if (floats) return one(FLOAT, [floats.length]);
  return f !== undefined ? one(FLOAT, []) : one(0, undefined);
};

export const constantOfShape: Rule = ([shape], node) => {
  const value = node.attributes.get("value")?.tensor;
  const dims = shape?.ints ?? ofRank(shape?.dims?.[0]);
  const n = dims?.length === 1 ? dims[0] : undefined;
  const fill = value?.values?.[0] ?? 0;
  return one(value?.type ?? FLOAT, dims, n !== undefined && n <= 64 ? new Array<number>(n).fill(fill) : undefined);
};

export const shapeOf: Rule = ([x], node) => {
  const dims = x?.dims;
  if (!dims) return one(INT64, [undefined]);
  const [start, end] = [intOf(node, "start", 0), intOf(node, "end", dims.length)];
  const part = dims.slice(start, end);
  return one(INT64, [part.length], part);
};

export const range: Rule = ([start, limit, delta]) => {
  const [s, l, d] = [start, limit, delta].map((x) => x?.ints?.[0]);
  const n = s === undefined || l === undefined || !d ? undefined : Math.max(0, Math.ceil((l - s) / d));
  return one(
    typeOf(start),
    [n],
    n !== undefined && n <= 64 ? Array.from({ length: n }, (_, i) => s! + i * d!) : undefined,
  );
};

export const flatten: Rule = ([x], node) => {
  const dims = x?.dims;
  if (!dims) return one(typeOf(x), [undefined, undefined]);
  const axis = axisOf(intOf(node, "axis", 1), dims.length);
  const product = (list: Dims): number | undefined =>
    list!.includes(undefined) ? undefined : list!.reduce<number>((n, d) => n * d!, 1);
  return one(typeOf(x), [product(dims.slice(0, axis)), product(dims.slice(axis))]);
};
