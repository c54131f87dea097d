/**
 * @file Local functions. A node that calls one is replaced by the function's nodes, so that what looks for attention sees
 * one graph; onnxruntime does the same before it runs a model.
 *
 *     y = Block(x, w)        Block(a, b) → c:  t = MatMul(a, b); c = Softmax(t)
 *     ⇒  call.t = MatMul(x, w); y = Softmax(call.t)
 *
 * Names inside get the call's prefix, formal names become the caller's, references to attributes (onnx.proto3,
 * AttributeProto.ref_attr_name) the caller's values. The file is not rewritten: the new nodes are pieces between ranges
 * of it. The functions stay in it, unused.
 */
import { Cursor, type Message } from "../wire/fields.js";
import { refuse } from "../wire/refuse.js";
import type { ByteSource } from "../wire/source.js";
import { type Edit, type Piece, planEdits, splicedSource } from "../wire/splice.js";
import { bytesField, joined, messageField, textField } from "../wire/write.js";
import type { Attribute, FunctionInfo, Graph, Model, Node } from "./model.js";
import { deepest, readModel } from "./read.js";
import { nodeField, opsetField } from "./write.js";

/** What calls may add to a file. A large model has some ten thousand nodes in all; the limits keep memory and time bounded. */
const mostNodes = 100_000;
const mostBytes = 64 * 1024 * 1024;

/** Names and attributes as they are inside one call. */
interface Call {
  rename: (name: string) => string;
  /** What stands for the function's attributes: contents of an AttributeProto without its name. */
  attributes: Map<string, Uint8Array>;
  prefix: string;
  /** metadata of the calling node, for nodes that have none of their own: torch writes the module's path there. */
  metadata: Uint8Array[];
}

/** The model's own graph, in which nothing is renamed. */
const outermost: Call = { rename: (name) => name, attributes: new Map(), prefix: "", metadata: [] };

/** A model with its local functions called nowhere; the same model when it calls none. */
export function inlined(model: Model): Model {
  if (model.functions.length === 0) return model;
  const inliner = new Inliner(model);
  inliner.graph(model.graph);
  if (inliner.edits.length === 0) return model;
  const { pieces } = planEdits(model.source.size, [...inliner.edits, ...inliner.imports()]);
  return { ...readModel(splicedSource(model.source, pieces)), pieces: merged(pieces) };
}

/** The one that the pieces of a file make, read from another source of the same file. */
export function sourceOf(model: Model, file: ByteSource): ByteSource {
  return model.pieces ? splicedSource(file, model.pieces) : file;
}

/** Neighbouring inserts as one piece: a call is hundreds of nodes, and pieces are looked up. */
function merged(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  let run: Uint8Array[] = [];
  const end = (): void => {
    if (run.length > 0) out.push(run.length === 1 ? run[0]! : joined(run));
    run = [];
  };
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) run.push(piece);
    else {
      end();
      out.push(piece);
    }
  }
  end();
  return out;
}

const keyOf = ({
  domain,
  name,
  overload = "",
}: {
  domain: string;
  name: string;
  overload?: string | undefined;
}): string => `${domain}\n${name}\n${overload}`;

/** What one call of a function comes to, calls inside it included. */
interface Size {
  nodes: number;
  bytes: number;
  /** How many functions stand in each other. */
  depth: number;
}

class Inliner {
  readonly edits: Edit[] = [];
  readonly #model: Model;
  readonly #source: ByteSource;
  readonly #functions = new Map<string, FunctionInfo>();
  /** Domains that only functions import. */
  readonly #imports = new Map<string, number>();
  readonly #sizes = new Map<FunctionInfo, Size>();
  #calls = 0;
  #nodes = 0;
  #bytes = 0;

  constructor(model: Model) {
    this.#model = model;
    this.#source = model.source;
    for (const f of model.functions) this.#functions.set(keyOf(f), f);
  }

  /** Operator sets that only functions used. */
  imports(): Edit[] {
    const file: Message = { lengthAt: 0, from: 0, to: this.#source.size };
    return [...this.#imports].map(([domain, version]) => {
      return { inside: file, at: file.to, remove: 0, insert: opsetField(domain, version) };
    });
  }

  /** Replaces the calls of a graph of the file, and those of the graphs inside it. */
  graph(graph: Graph): void {
    for (const node of graph.nodes) {
      const called = this.#called(node);
      if (called) {
        const { nodes, bytes } = this.#size(called, 1);
        this.#limit(this.#nodes + nodes, this.#bytes + bytes);
        const insert = joined(this.#body(node, called, outermost));
        this.edits.push({ inside: graph.message, at: node.at, remove: node.message.to - node.at, insert });
      } else for (const a of node.attributes.values()) for (const inner of a.graphs ?? []) this.graph(inner);
    }
  }

  /** The function that a node calls. One written for other versions of operators than the model's is left as it is. */
  #called(node: Node): FunctionInfo | undefined {
    const f = this.#functions.get(keyOf({ domain: node.domain, name: node.op, overload: node.overload }));
    if (!f) return undefined;
    const local = (domain: string): boolean => domain !== "" && this.#model.functions.some((g) => g.domain === domain);
    const imported = (domain: string): number | undefined =>
      this.#model.opsets.get(domain) ?? this.#imports.get(domain);
    for (const [domain, version] of f.opsets) {
      if ((imported(domain) ?? version) !== version && !local(domain)) return undefined;
    }
    for (const [domain, version] of f.opsets) if (imported(domain) === undefined) this.#imports.set(domain, version);
    return f;
  }

  /** The nodes of a function that `node`, itself standing in `around`, calls: fields of a graph. */
  #body(node: Node, f: FunctionInfo, around: Call): Uint8Array[] {
    const attributes = new Map<string, Uint8Array>();
    for (const a of [...f.defaults.values(), ...node.attributes.values()]) {
      const value = this.#value(a, around);
      if (value) attributes.set(a.name, value);
    }
    const prefix = `${around.prefix}${node.name || node.op}.${this.#calls++}/`;
    const actual = new Map<string, string>();
    f.inputs.forEach((name, i) => void actual.set(name, around.rename(node.inputs[i] ?? "")));
    const passed: Uint8Array[] = [];
    f.outputs.forEach((name, i) => {
      const out = around.rename(node.outputs[i] ?? "");
      if (out === "") return;
      if (!actual.has(name)) actual.set(name, out);
      else passed.push(nodeField({ op: "Identity", name: prefix + name, inputs: [actual.get(name)!], outputs: [out] }));
    });
    const call: Call = {
      rename: (name) => (name === "" ? "" : (actual.get(name) ?? prefix + name)),
      attributes,
      prefix,
      metadata: this.#metadata(node, around),
    };
    return [...f.nodes.flatMap((n) => this.#node(n, call)), ...passed];
  }

  #node(node: Node, call: Call): Uint8Array[] {
    const called = this.#called(node);
    if (called) return this.#body(node, called, call);
    const source = this.#source;
    const fields: Uint8Array[] = [];
    const attributes = node.attributes.values();
    const c = new Cursor(source, node.message);
    while (c.next()) {
      if (c.field === 1 || c.field === 2) fields.push(textField(c.field, call.rename(c.text())));
      else if (c.field !== 3 && c.field !== 5 && c.field !== 9) fields.push(source.read(c.at, c.to).slice());
    }
    for (const a of attributes) {
      const value = this.#value(a, call);
      if (value) fields.push(messageField(5, [textField(1, a.name), value]));
    }
    const name = textField(3, call.prefix + (node.name || node.op));
    const out = messageField(1, [...fields, name, ...this.#metadata(node, call)]);
    this.#count(out.length);
    return [out];
  }

  /** What a call comes to, before it is made: calls that double at every level are refused without being written out. */
  #size(f: FunctionInfo, level: number): Size {
    const known = this.#sizes.get(f);
    if (level + (known?.depth ?? 1) - 1 > deepest) {
      refuse(
        this.#source.name,
        `has local functions that call each other more than ${deepest} deep, at "${f.name}"`,
        "export the model again",
      );
    }
    if (known) return known;
    const size: Size = { nodes: 0, bytes: 0, depth: 1 };
    const add = (node: Node): void => {
      const called = this.#functions.get(keyOf({ domain: node.domain, name: node.op, overload: node.overload }));
      const inner = called && this.#size(called, level + 1);
      size.nodes += inner?.nodes ?? 1;
      size.bytes += inner?.bytes ?? node.message.to - node.message.from;
      if (inner) size.depth = Math.max(size.depth, inner.depth + 1);
      else for (const a of node.attributes.values()) for (const graph of a.graphs ?? []) graph.nodes.forEach(add);
    };
    f.nodes.forEach(add);
    this.#sizes.set(f, size);
    return size;
  }

  #count(bytes: number): void {
    this.#limit(++this.#nodes, (this.#bytes += bytes));
  }

  #limit(nodes: number, bytes: number): void {
    if (nodes > mostNodes || bytes > mostBytes) {
      refuse(
        this.#source.name,
        `has local functions of more than ${mostNodes} nodes or ${mostBytes / 2 ** 20} MB in all their calls`,
        "simplify the graph before opening it",
      );
    }
  }

  /** An attribute without its name, with what the caller gave in place of a reference. Undefined: the caller gave none. */
  #value(a: Attribute, call: Call): Uint8Array | undefined {
    if (a.reference) return call.attributes.get(a.reference);
    const fields: Uint8Array[] = [];
    const graphs = [...(a.graphs ?? [])];
    const c = new Cursor(this.#source, a.message);
    while (c.next()) {
      if (c.field === 6 || c.field === 11) fields.push(messageField(c.field, this.#graphFields(graphs.shift()!, call)));
      else if (c.field !== 1) fields.push(this.#source.read(c.at, c.to).slice());
    }
    return joined(fields);
  }

  /** A graph inside a function's node, with every name of it renamed. */
  #graphFields(graph: Graph, call: Call): Uint8Array[] {
    const out: Uint8Array[] = [];
    const nodes = [...graph.nodes];
    const c = new Cursor(this.#source, graph.message);
    while (c.next()) {
      if (c.field === 1) out.push(...this.#node(nodes.shift()!, call));
      else if (c.field === 5) out.push(bytesField(5, this.#renamed(c.child(), 8, call)));
      else if (c.field >= 11 && c.field <= 14) out.push(bytesField(c.field, this.#renamed(c.child(), 1, call)));
      else out.push(this.#source.read(c.at, c.to).slice());
    }
    return out;
  }

  /** A message whose field `field` is a name of a value. */
  #renamed(message: Message, field: number, call: Call): Uint8Array {
    const out: Uint8Array[] = [];
    const c = new Cursor(this.#source, message);
    while (c.next()) {
      out.push(c.field === field ? textField(field, call.rename(c.text())) : this.#source.read(c.at, c.to).slice());
    }
    return joined(out);
  }

  /** A node's own metadata, else that of the call it stands in: torch writes the module's path there. */
  #metadata(node: Node, call: Call): Uint8Array[] {
    const out: Uint8Array[] = [];
    const c = new Cursor(this.#source, node.message);
    while (c.next()) if (c.field === 9) out.push(this.#source.read(c.at, c.to).slice());
    return out.length > 0 ? out : call.metadata;
  }
}
