/**
 * @file An ONNX model as far as attention needs it: the graph with its names, types, small constants and places in the
 * file. Weights stay where they are.
 *
 * Field numbers and type numbers are those of onnx.proto3 (ONNX 1.21, IR version 13).
 */
import type { ByteSource } from "../wire/source.js";
import type { Message } from "../wire/fields.js";
import type { Piece } from "../wire/splice.js";

/** TensorProto.DataType, by number: what onnxruntime calls it, and bytes per element (0.5: two in a byte). */
export const elementTypes: Record<number, { name: string; bytes: number }> = {
  1: { name: "float32", bytes: 4 },
  2: { name: "uint8", bytes: 1 },
  3: { name: "int8", bytes: 1 },
  4: { name: "uint16", bytes: 2 },
  5: { name: "int16", bytes: 2 },
  6: { name: "int32", bytes: 4 },
  7: { name: "int64", bytes: 8 },
  8: { name: "string", bytes: 0 },
  9: { name: "bool", bytes: 1 },
  10: { name: "float16", bytes: 2 },
  11: { name: "float64", bytes: 8 },
  12: { name: "uint32", bytes: 4 },
  13: { name: "uint64", bytes: 8 },
  14: { name: "complex64", bytes: 8 },
  15: { name: "complex128", bytes: 16 },
  16: { name: "bfloat16", bytes: 2 },
  17: { name: "float8e4m3fn", bytes: 1 },
  18: { name: "float8e4m3fnuz", bytes: 1 },
  19: { name: "float8e5m2", bytes: 1 },
  20: { name: "float8e5m2fnuz", bytes: 1 },
  21: { name: "uint4", bytes: 0.5 },
  22: { name: "int4", bytes: 0.5 },
  23: { name: "float4e2m1", bytes: 0.5 },
  24: { name: "float8e8m0", bytes: 1 },
  25: { name: "uint2", bytes: 0.25 },
  26: { name: "int2", bytes: 0.25 },
};

/** Type numbers that the rest of the room names. */
export const FLOAT = 1;
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;
export const FLOAT16 = 10;
export const BFLOAT16 = 16;

/** Where the bytes of a weight lie outside of the file. */
export interface ExternalData {
  location: string;
  offset: number;
  /** Bytes; undefined: to the end of that file. */
  length: number | undefined;
}

/** A constant tensor. */
export interface TensorInfo {
  name: string;
  type: number;
  dims: number[];
  /** The numbers, where there are at most `smallTensor` of them and they are whole numbers, booleans or float32. */
  values?: number[] | undefined;
  external?: ExternalData | undefined;
}

/** An axis: a length, a name for an unknown length, or nothing. */
export type Dimension = number | string | undefined;

/** A graph input, output or annotated value. `type` 0: not a tensor. `shape` undefined: not even the rank is known. */
export interface ValueInfo {
  name: string;
  type: number;
  shape?: Dimension[] | undefined;
}

export interface Attribute {
  name: string;
  i?: number;
  f?: number;
  s?: string;
  ints?: number[];
  floats?: number[];
  tensor?: TensorInfo;
  graphs?: Graph[];
  /** Inside a function: the name of the caller's attribute whose value this takes. */
  reference?: string;
  /** Its contents in the file. */
  message: Message;
  /** The whole field in the file, tag included. */
  at: number;
  to: number;
}

export interface Node {
  op: string;
  /** "" is the standard's own domain, also where a file writes "ai.onnx". */
  domain: string;
  name: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute>;
  /** Which function of this name is meant, where there are several. */
  overload?: string;
  /** metadata_props, where there are any: torch's newer exporter writes the module path here. */
  metadata?: Map<string, string>;
  message: Message;
  /** The whole field in the file, tag included. */
  at: number;
}

export interface Graph {
  name: string;
  nodes: Node[];
  initializers: Map<string, TensorInfo>;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  /** Annotated inner values. */
  values: Map<string, ValueInfo>;
  message: Message;
}

/** A local function: a node of type `name` in `domain` stands for its nodes. */
export interface FunctionInfo {
  name: string;
  domain: string;
  overload: string;
  /** Version of each domain's operators in its nodes. */
  opsets: Map<string, number>;
  inputs: string[];
  outputs: string[];
  nodes: Node[];
  /** Defaults of its attributes. */
  defaults: Map<string, Attribute>;
}

export interface Model {
  source: ByteSource;
  irVersion: number;
  producer: string;
  /** Version of each domain's operators. */
  opsets: Map<string, number>;
  metadata: Map<string, string>;
  graph: Graph;
  functions: FunctionInfo[];
  /** How `source` is made of the file, where calls of local functions were replaced by their nodes. */
  pieces?: readonly Piece[];
}

/** A node of the standard's operators. */
export const standard = (node: Node, op: string): boolean => node.op === op && node.domain === "";
/** A whole-number attribute, or what it is when it is not given. */
export const intOf = (node: Node, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;
export const floatOf = (node: Node, name: string, otherwise: number): number =>
  node.attributes.get(name)?.f ?? otherwise;
