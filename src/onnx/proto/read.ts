/** @file From bytes to a `Model`. Reads the graph, passes over the weights, trusts nothing. */
import { Cursor, type Message } from "../wire/fields.js";
import { refuse } from "../wire/refuse.js";
import type { ByteSource } from "../wire/source.js";
import { readTensor } from "./read-tensor.js";
import { type Attribute, type Dimension, elementTypes, type FunctionInfo } from "./model.js";
import type { Graph, Model, Node, ValueInfo } from "./model.js";

/** Graphs inside graphs (If, Loop, Scan). Real files have one or two; the limit keeps the call stack bounded. */
export const deepest = 32;
/** Nodes in all. The largest exports have some ten thousand; the limit keeps memory bounded for a file made of nothing else. */
const mostNodes = 500_000;

/** Wire types of ModelProto's fields. A file that begins with none of them, or has one of another type, is something else. */
const modelFields: Record<number, number> = {
  1: 0,
  2: 2,
  3: 2,
  4: 2,
  5: 0,
  6: 2,
  7: 2,
  8: 2,
  14: 2,
  20: 2,
  25: 2,
  26: 2,
};

/** What all parts of one reading share. */
interface Reading {
  source: ByteSource;
  nodes: number;
}

/**
 * Reads a model.
 * Cost: the graph's bytes (for 90 MB of weights about 0.1 MB) and a seek per weight.
 * @throws {FileError} in one line, for whatever is no ONNX model
 */
export function readModel(source: ByteSource): Model {
  if (source.size === 0) refuse(source.name, "is empty", "give the path of an .onnx file");
  const file: Message = { lengthAt: 0, from: 0, to: source.size };
  const reading: Reading = { source, nodes: 0 };
  const model: Omit<Model, "graph"> & { graph?: Graph } = {
    source,
    irVersion: 0,
    producer: "",
    opsets: new Map(),
    metadata: new Map(),
    functions: [],
  };
  const c = new Cursor(source, file);
  checkStart(source);
  while (c.next()) {
    if ((modelFields[c.field] ?? c.wire) !== c.wire) refuse(source.name, notOnnx, "give the path of an .onnx file");
    if (c.field === 1) model.irVersion = c.int();
    else if (c.field === 2) model.producer = c.text();
    else if (c.field === 7) {
      if (model.graph) refuse(source.name, `has a second graph, at byte ${c.at}`);
      model.graph = readGraph(reading, c.child(), 1);
    } else if (c.field === 8) readOpset(source, c.child(), model.opsets);
    else if (c.field === 14) readEntry(source, c.child(), model.metadata);
    else if (c.field === 25) model.functions.push(readFunction(reading, c.child()));
  }
  const { graph } = model;
  if (!graph) refuse(source.name, "has no graph in it, so it is no ONNX model", "give the path of an .onnx file");
  return { ...model, graph };
}

const notOnnx = "is no ONNX file";

/** The first byte names the first field: nearly every other kind of file fails here. */
function checkStart(source: ByteSource): void {
  const first = source.read(0, 1)[0]!;
  if (modelFields[first >> 3] !== (first & 7)) refuse(source.name, notOnnx, "give the path of an .onnx file");
}

function readOpset(source: ByteSource, message: Message, into: Map<string, number>): void {
  const c = new Cursor(source, message);
  let domain = "";
  let version = 0;
  while (c.next()) {
    if (c.field === 1) domain = c.text();
    else if (c.field === 2) version = c.int();
  }
  into.set(domain === "ai.onnx" ? "" : domain, version);
}

function readEntry(source: ByteSource, message: Message, into: Map<string, string>): void {
  const c = new Cursor(source, message);
  let key = "";
  let value = "";
  while (c.next()) {
    if (c.field === 1) key = c.text();
    else if (c.field === 2) value = c.text();
  }
  into.set(key, value);
}

function readGraph(reading: Reading, message: Message, depth: number): Graph {
  const { source } = reading;
  if (depth > deepest) {
    refuse(
      source.name,
      `has graphs inside graphs more than ${deepest} deep`,
      "export the model without nested If or Loop",
    );
  }
  const graph: Graph = {
    name: "",
    nodes: [],
    initializers: new Map(),
    inputs: [],
    outputs: [],
    values: new Map(),
    message,
  };
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field === 1) graph.nodes.push(readNode(reading, c.child(), c.at, depth));
    else if (c.field === 2) graph.name = c.text();
    else if (c.field === 5) {
      const t = readTensor(source, c.child());
      graph.initializers.set(t.name, t);
    } else if (c.field === 11) graph.inputs.push(readValue(source, c.child()));
    else if (c.field === 12) graph.outputs.push(readValue(source, c.child()));
    else if (c.field === 13) {
      const value = readValue(source, c.child());
      graph.values.set(value.name, value);
    }
  }
  return graph;
}

function readNode(reading: Reading, message: Message, at: number, depth: number): Node {
  const { source } = reading;
  if (++reading.nodes > mostNodes) {
    refuse(source.name, `has more than ${mostNodes} nodes`, "simplify the graph before opening it");
  }
  const node: Node = { op: "", domain: "", name: "", inputs: [], outputs: [], attributes: new Map(), message, at };
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field === 1) node.inputs.push(c.text());
    else if (c.field === 2) node.outputs.push(c.text());
    else if (c.field === 3) node.name = c.text();
    else if (c.field === 4) node.op = c.text();
    else if (c.field === 5) {
      const attribute = readAttribute(reading, c.child(), c.at, depth);
      node.attributes.set(attribute.name, attribute);
    } else if (c.field === 7) node.domain = c.text();
    else if (c.field === 8) node.overload = c.text();
    else if (c.field === 9) readEntry(source, c.child(), (node.metadata ??= new Map()));
  }
  if (node.domain === "ai.onnx") node.domain = "";
  return node;
}

/** Lists longer than this are no axes, shapes or scales, and stay in the file. */
const longList = 64;

function readAttribute(reading: Reading, message: Message, at: number, depth: number): Attribute {
  const { source } = reading;
  const out: Attribute = { name: "", message, at, to: message.to };
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field === 1) out.name = c.text();
    else if (c.field === 2) out.f = c.float();
    else if (c.field === 3) out.i = c.int();
    else if (c.field === 4 && c.to - c.from <= 4096) out.s = c.text();
    else if (c.field === 5) out.tensor = readTensor(source, c.child());
    else if (c.field === 6 || c.field === 11) (out.graphs ??= []).push(readGraph(reading, c.child(), depth + 1));
    else if (c.field === 7) c.floats((out.floats ??= []), longList);
    else if (c.field === 8) c.ints((out.ints ??= []), longList);
    else if (c.field === 21) out.reference = c.text();
  }
  return out;
}

function readFunction(reading: Reading, message: Message): FunctionInfo {
  const { source } = reading;
  const out: FunctionInfo = {
    name: "",
    domain: "",
    overload: "",
    opsets: new Map(),
    inputs: [],
    outputs: [],
    nodes: [],
    defaults: new Map(),
  };
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field === 1) out.name = c.text();
    else if (c.field === 4) out.inputs.push(c.text());
    else if (c.field === 5) out.outputs.push(c.text());
    else if (c.field === 7) out.nodes.push(readNode(reading, c.child(), c.at, 1));
    else if (c.field === 9) readOpset(source, c.child(), out.opsets);
    else if (c.field === 10) out.domain = c.text();
    else if (c.field === 13) out.overload = c.text();
    else if (c.field === 11) {
      const attribute = readAttribute(reading, c.child(), c.at, 1);
      out.defaults.set(attribute.name, attribute);
    }
  }
  if (out.domain === "ai.onnx") out.domain = "";
  return out;
}

function readValue(source: ByteSource, message: Message): ValueInfo {
  const out: ValueInfo = { name: "", type: 0 };
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field === 1) out.name = c.text();
    else if (c.field === 2) readType(source, c.child(), out);
  }
  if (out.type !== 0 && !(out.type in elementTypes)) {
    refuse(
      source.name,
      `gives "${out.name}" the element type ${out.type}, which ONNX does not have`,
      `types are 1 to ${Object.keys(elementTypes).length}; update qkv if the file is newer`,
    );
  }
  return out;
}

function readType(source: ByteSource, message: Message, into: ValueInfo): void {
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field !== 1) continue; // sequences, maps and optionals are no tensors
    const t = new Cursor(source, c.child());
    while (t.next()) {
      if (t.field === 1) into.type = t.int();
      else if (t.field === 2) into.shape = readShape(source, t.child());
    }
  }
}

/** A tensor of more axes than this is refused by every runtime. */
const mostAxes = 64;

function readShape(source: ByteSource, message: Message): Dimension[] {
  const out: Dimension[] = [];
  const c = new Cursor(source, message);
  while (c.next()) {
    if (c.field !== 1) continue;
    const d = new Cursor(source, c.child());
    let dim: Dimension;
    while (d.next()) {
      if (d.field === 1) dim = d.int();
      else if (d.field === 2) dim = d.text();
    }
    if (out.push(typeof dim === "number" && dim < 0 ? undefined : dim) > mostAxes) {
      refuse(source.name, `gives a value more than ${mostAxes} axes`);
    }
  }
  return out;
}
