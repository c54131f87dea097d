/** @file New nodes, constants, attributes and graph outputs as bytes. */
import { bytesField, floatField, intField, joined, messageField, textField } from "../wire/write.js";
import { type Dimension, FLOAT, INT64 } from "./model.js";

/** AttributeProto.AttributeType */
const attributeType = { float: 1, int: 2, tensor: 4, ints: 7 } as const;

/** An attribute as a field of a node. Arrays are lists of whole numbers. */
export function intAttribute(name: string, value: number | readonly number[]): Uint8Array {
  return Array.isArray(value)
    ? messageField(5, [textField(1, name), ...value.map((v) => intField(8, v)), intField(20, attributeType.ints)])
    : messageField(5, [textField(1, name), intField(3, value as number), intField(20, attributeType.int)]);
}

export function floatAttribute(name: string, value: number): Uint8Array {
  return messageField(5, [textField(1, name), floatField(2, value), intField(20, attributeType.float)]);
}

/** A constant tensor as an attribute; `dims` [] is a scalar. */
export function tensorAttribute(
  name: string,
  type: number,
  dims: readonly number[],
  values: readonly number[],
): Uint8Array {
  const raw = new DataView(new ArrayBuffer(values.length * (type === INT64 ? 8 : 4)));
  values.forEach((v, i) => {
    if (type === INT64) raw.setBigInt64(8 * i, BigInt(v), true);
    else if (type === FLOAT) raw.setFloat32(4 * i, v, true);
    else raw.setInt32(4 * i, v, true);
  });
  const tensor = [...dims.map((d) => intField(1, d)), intField(2, type), bytesField(9, new Uint8Array(raw.buffer))];
  return messageField(5, [textField(1, name), messageField(5, tensor), intField(20, attributeType.tensor)]);
}

export interface NewNode {
  op: string;
  domain?: string | undefined;
  name: string;
  inputs: readonly string[];
  outputs: readonly string[];
  /** Fields made by the functions above, or copied from another node. */
  attributes?: readonly Uint8Array[] | undefined;
}

/** A node as a field of a graph. */
export function nodeField({ op, domain, name, inputs, outputs, attributes = [] }: NewNode): Uint8Array {
  return messageField(1, [
    ...inputs.map((v) => textField(1, v)),
    ...outputs.map((v) => textField(2, v)),
    textField(3, name),
    textField(4, op),
    ...attributes,
    ...(domain ? [textField(7, domain)] : []),
  ]);
}

/** A graph output as a field of a graph. An axis without a length has a name. */
export function outputField(name: string, type: number, shape: readonly Dimension[]): Uint8Array {
  return valueField(12, name, type, shape);
}

/** What a graph says of an inner value, as a field of a graph. */
export function noteField(name: string, type: number, shape: readonly Dimension[]): Uint8Array {
  return valueField(13, name, type, shape);
}

function valueField(field: number, name: string, type: number, shape: readonly Dimension[]): Uint8Array {
  const dims = shape.map((d) =>
    messageField(1, d === undefined ? [] : [typeof d === "number" ? intField(1, d) : textField(2, d)]),
  );
  const tensor = messageField(1, [intField(1, type), messageField(2, dims)]);
  return messageField(field, [textField(1, name), messageField(2, [tensor])]);
}

/** An operator-set import as a field of a model. */
export function opsetField(domain: string, version: number): Uint8Array {
  return messageField(8, [textField(1, domain), intField(2, version)]);
}

export { joined };
