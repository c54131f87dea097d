/** @file A small writer of ONNX files, for tests that need one of a certain kind. */
import { elementTypes } from "../../src/onnx/proto/model.js";
import { intAttribute, nodeField, noteField, opsetField, outputField } from "../../src/onnx/proto/write.js";
import { bytesField, intField, joined, messageField, textField } from "../../src/onnx/wire/write.js";

const typeNumber = (name: string): number =>
  Number(Object.keys(elementTypes).find((n) => elementTypes[Number(n)]!.name === name));

/** A node: operator, inputs, outputs, whole-number attributes; a name like "com.microsoft:Attention" has a domain. */
export function node(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, number | number[] | Uint8Array> = {},
  name = "",
): Uint8Array {
  const [domain, type] = op.includes(":") ? (op.split(":") as [string, string]) : ["", op];
  const fields = Object.entries(attributes).map(([k, v]) => (v instanceof Uint8Array ? v : intAttribute(k, v)));
  return nodeField({ op: type, domain, name: name || outputs[0]!, inputs, outputs, attributes: fields });
}

/** A float32 weight, small numbers from a fixed recipe. */
export function weight(name: string, dims: number[], value?: (i: number) => number): Uint8Array {
  const size = dims.reduce((n, d) => n * d, 1);
  const data = Float32Array.from({ length: size }, (_, i) => (value ? value(i) : Math.sin(i * 1.7 + name.length) / 2));
  return messageField(5, [
    ...dims.map((d) => intField(1, d)),
    intField(2, 1),
    textField(8, name),
    bytesField(9, new Uint8Array(data.buffer)),
  ]);
}

/** An int64 constant. */
export function integers(name: string, values: number[], dims = [values.length]): Uint8Array {
  const data = BigInt64Array.from(values, BigInt);
  return messageField(5, [
    ...dims.map((d) => intField(1, d)),
    intField(2, 7),
    textField(8, name),
    bytesField(9, new Uint8Array(data.buffer)),
  ]);
}

/** A weight that lies in another file. */
export function outsideWeight(
  name: string,
  dims: number[],
  location: string,
  extra: Record<string, string> = {},
): Uint8Array {
  const entries = Object.entries({ location, ...extra }).map(([k, v]) =>
    messageField(13, [textField(1, k), textField(2, v)]),
  );
  return messageField(5, [
    ...dims.map((d) => intField(1, d)),
    intField(2, 1),
    textField(8, name),
    ...entries,
    intField(14, 1),
  ]);
}

export function input(name: string, type: string, shape: (number | string)[]): Uint8Array {
  const output = outputField(name, typeNumber(type), shape);
  return Uint8Array.from([(11 << 3) | 2, ...output.slice(1)]);
}

export const output = (name: string, type: string, shape: (number | string)[]): Uint8Array =>
  outputField(name, typeNumber(type), shape);
export const note = (name: string, type: string, shape: (number | string)[]): Uint8Array =>
  noteField(name, typeNumber(type), shape);

/** A model made of fields of its graph. */
export function model(fields: Uint8Array[], opset = 17, domains: Record<string, number> = {}): Uint8Array {
  const imports = Object.entries({ "": opset, ...domains }).map(([d, v]) => opsetField(d, v));
  return joined([intField(1, 9), ...imports, messageField(7, [...fields, textField(2, "test")])]);
}

/** A graph as an attribute of an If. */
export function graphAttribute(name: string, fields: Uint8Array[]): Uint8Array {
  return messageField(5, [textField(1, name), messageField(6, [...fields, textField(2, name)]), intField(20, 5)]);
}

/**
 * The nodes of one attention over x [B, T, 4] with two heads: `name.out` [B, T, 4]. The softmax is `name.softmax`.
 * `weights(x)` says what stands between scores and values; default: a Softmax.
 */
export function attentionNodes(
  name: string,
  x: string,
  keys = x,
  weights?: (scores: string, into: string) => Uint8Array[],
): Uint8Array[] {
  const n = (part: string): string => `${name}.${part}`;
  const heads = (from: string, w: string, perm: number[]): Uint8Array[] => [
    node("MatMul", [from, n(w)], [n(`${w}x`)]),
    node("Reshape", [n(`${w}x`), "shape.heads"], [n(`${w}h`)]),
    node("Transpose", [n(`${w}h`)], [n(w.slice(1))], { perm }),
  ];
  return [
    ...["wq", "wk", "wv", "wo"].map((w) => weight(n(w), [4, 4])),
    ...heads(x, "wq", [0, 2, 1, 3]),
    ...heads(keys, "wk", [0, 2, 3, 1]),
    ...heads(keys, "wv", [0, 2, 1, 3]),
    node("MatMul", [n("q"), n("k")], [n("scores")]),
    ...(weights?.(n("scores"), n("softmax")) ?? [node("Softmax", [n("scores")], [n("softmax")], { axis: -1 })]),
    node("MatMul", [n("softmax"), n("v")], [n("mixed")]),
    node("Transpose", [n("mixed")], [n("turned")], { perm: [0, 2, 1, 3] }),
    node("Reshape", [n("turned"), "shape.merged"], [n("merged")]),
    node("MatMul", [n("merged"), n("wo")], [n("out")]),
  ];
}

/** The two shapes that `attentionNodes` use. */
export const attentionShapes: Uint8Array[] = [
  integers("shape.heads", [0, 0, 2, 2]),
  integers("shape.merged", [0, 0, 4]),
];

/** A whole model with attention layers one after the other. */
export function stack(layers: number): Uint8Array {
  const nodes = Array.from({ length: layers }, (_, i) =>
    attentionNodes(`layer${i}`, i === 0 ? "x" : `layer${i - 1}.out`),
  ).flat();
  return model([
    ...nodes,
    ...attentionShapes,
    input("x", "float32", ["batch", "tokens", 4]),
    output(`layer${layers - 1}.out`, "float32", ["batch", "tokens", 4]),
  ]);
}

/** An attribute of a function's node that takes the caller's value. */
export function referenceAttribute(name: string, of: string): Uint8Array {
  return messageField(5, [textField(1, name), intField(20, 2), textField(21, of)]);
}

/** A local function as a field of a model, in the domain "local". */
export function localFunction(
  name: string,
  inputs: string[],
  outputs: string[],
  nodes: Uint8Array[],
  attributes: string[] = [],
): Uint8Array {
  return messageField(25, [
    textField(1, name),
    ...inputs.map((v) => textField(4, v)),
    ...outputs.map((v) => textField(5, v)),
    ...attributes.map((v) => textField(6, v)),
    ...nodes.map((n) => Uint8Array.from([(7 << 3) | 2, ...n.subarray(1)])), // field 7 of a function, 1 of a graph
    ...["", "local"].map((d) => messageField(9, [textField(1, d), intField(2, d === "" ? 17 : 1)])),
    textField(10, "local"),
  ]);
}
