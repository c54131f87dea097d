/** @file Writes new nodes for one graph, in the words of the operator set that the model imports. */
import { FLOAT, INT64 } from "../proto/model.js";
import { intAttribute, nodeField, tensorAttribute } from "../proto/write.js";

/** Names that no file uses, over all graphs of one edit. */
export class Names {
  readonly #prefix: string;
  #count = 0;
  constructor(prefix: string) {
    this.#prefix = prefix;
  }
  fresh(): string {
    return `${this.#prefix}${this.#count++}`;
  }
}

export class Builder {
  /** The nodes so far, as fields of a graph, in running order. */
  readonly nodes: Uint8Array[] = [];
  readonly opset: number;
  readonly #names: Names;
  readonly #constants = new Map<string, string>();

  constructor(opset: number, names: Names) {
    this.opset = opset;
    this.#names = names;
  }

  /** A node with one result; gives the result's name. */
  op(op: string, inputs: readonly string[], attributes: readonly Uint8Array[] = [], domain?: string): string {
    const [out] = this.ops(op, inputs, 1, attributes, domain);
    return out!;
  }

  /** A node with several results. */
  ops(
    op: string,
    inputs: readonly string[],
    results: number,
    attributes: readonly Uint8Array[] = [],
    domain?: string,
  ): string[] {
    const outputs = Array.from({ length: results }, () => this.#names.fresh());
    this.nodes.push(nodeField({ op, domain, name: outputs[0]!, inputs, outputs, attributes }));
    return outputs;
  }

  /** A node whose results have names given by the caller; "" leaves one out. */
  named(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: readonly Uint8Array[],
    domain?: string,
  ): void {
    this.nodes.push(nodeField({ op, domain, name: this.#names.fresh(), inputs, outputs, attributes }));
  }

  fresh(): string {
    return this.#names.fresh();
  }

  #constant(type: number, dims: readonly number[], values: readonly number[]): string {
    const key = `${type}:${dims.join()}:${values.join()}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const made = this.op("Constant", [], [tensorAttribute("value", type, dims, values)]);
    this.#constants.set(key, made);
    return made;
  }

  /** A list of whole numbers. */
  ints(...values: number[]): string {
    return this.#constant(INT64, [values.length], values);
  }

  /** One whole number, without axes. */
  int(value: number): string {
    return this.#constant(INT64, [], [value]);
  }

  /** One float, without axes. */
  float(value: number): string {
    return this.#constant(FLOAT, [], [value]);
  }

  cast(x: string, type: number): string {
    return this.op("Cast", [x], [intAttribute("to", type)]);
  }

  transpose(x: string, perm: readonly number[]): string {
    return this.op("Transpose", [x], [intAttribute("perm", perm)]);
  }

  softmax(x: string): string {
    return this.op("Softmax", [x], [intAttribute("axis", -1)]);
  }

  /** A reduction over one axis. Its axes became an input with opset 18 (ReduceSum: 13). */
  reduce(op: "ReduceSum" | "ReduceMax" | "ReduceLogSumExp", x: string, axis: number, keep = false): string {
    const keepdims = intAttribute("keepdims", keep ? 1 : 0);
    return this.opset >= (op === "ReduceSum" ? 13 : 18)
      ? this.op(op, [x, this.ints(axis)], [keepdims])
      : this.op(op, [x], [intAttribute("axes", [axis]), keepdims]);
  }

  unsqueeze(x: string, ...axes: number[]): string {
    return this.opset >= 13
      ? this.op("Unsqueeze", [x, this.ints(...axes)])
      : this.op("Unsqueeze", [x], [intAttribute("axes", axes)]);
  }

  /** Parts of given widths along an axis. */
  split(x: string, axis: number, widths: readonly number[]): string[] {
    return this.opset >= 13
      ? this.ops("Split", [x, this.ints(...widths)], widths.length, [intAttribute("axis", axis)])
      : this.ops("Split", [x], widths.length, [intAttribute("axis", axis), intAttribute("split", widths)]);
  }

  /** Lengths of some axes, as a list. */
  lengths(x: string, ...axes: number[]): string {
    return this.op("Gather", [this.op("Shape", [x]), this.ints(...axes)], [intAttribute("axis", 0)]);
  }

  /** Length of one axis, without axes. */
  length(x: string, axis: number): string {
    return this.op("Gather", [this.op("Shape", [x]), this.int(axis)], [intAttribute("axis", 0)]);
  }

  concat(axis: number, ...parts: string[]): string {
    return this.op("Concat", parts, [intAttribute("axis", axis)]);
  }

  reshape(x: string, shape: string): string {
    return this.op("Reshape", [x, shape]);
  }

  range(limit: string): string {
    return this.op("Range", [this.int(0), limit, this.int(1)]);
  }
}
