/**
 * @file An edit in the making: new nodes and outputs per graph, and the way of a value out of the branches of an If.
 *
 * Nothing that the file holds is changed: nodes are appended, operators are asked for one more result, graphs get one
 * more output. The ordinary outputs are computed by the same nodes as before.
 */
import { FLOAT, type Model, type Node } from "../proto/model.js";
import { intAttribute, noteField, opsetField, outputField } from "../proto/write.js";
import type { Scope } from "../graph/scope.js";
import type { Edit } from "../wire/splice.js";
import { textField } from "../wire/write.js";
import { Builder, Names } from "./builder.js";

/** A value in a graph. */
export interface Place {
  scope: Scope;
  name: string;
}

export class Plan {
  readonly model: Model;
  readonly root: Scope;
  readonly #names: Names;
  readonly #builders = new Map<Scope, Builder>();
  readonly #edits: Edit[] = [];
  readonly #outputs = new Map<Scope, Uint8Array[]>();
  /** Results that operators were asked for in this edit, so that they are asked once. */
  readonly #asked = new Map<Node, string>();
  /** Nodes with graphs inside that were given more results. */
  readonly #results = new Set<Node>();

  constructor(model: Model, root: Scope) {
    this.model = model;
    this.root = root;
    let prefix = "qkv.";
    const taken = allNames(root);
    while ([...taken].some((name) => name.startsWith(prefix))) prefix = `_${prefix}`;
    this.#names = new Names(prefix);
    // A model that imports com.microsoft alone is given the standard operators too: new nodes are made of them.
    if (!model.opsets.has("")) {
      const file = { lengthAt: 0, from: 0, to: model.source.size };
      this.#edits.push({ inside: file, at: file.to, remove: 0, insert: opsetField("", 17) });
    }
  }

  builder(scope: Scope): Builder {
    let made = this.#builders.get(scope);
    if (!made) this.#builders.set(scope, (made = new Builder(this.model.opsets.get("") ?? 17, this.#names)));
    return made;
  }

  /** Asks a node for its result `index`, which it may leave out; `attribute` is set so that the result means what it should. */
  ask(scope: Scope, node: Node, index: number, attribute?: { name: string; value: number }): string {
    const known = this.#asked.get(node);
    if (known) return known;
    const given = attribute && node.attributes.get(attribute.name);
    const right = !attribute || (given ? given.i === attribute.value : false);
    if (node.outputs.length > index) {
      if (node.outputs[index] !== "" && right) return node.outputs[index]!;
      return this.#askCopy(scope, node, index, attribute);
    }
    const name = this.#names.fresh();
    const fields = [...Array.from({ length: index - node.outputs.length }, () => textField(2, "")), textField(2, name)];
    if (attribute && !right) {
      if (given)
        this.#edits.push({
          inside: node.message,
          at: given.at,
          remove: given.to - given.at,
          insert: new Uint8Array(0),
        });
      fields.push(intAttribute(attribute.name, attribute.value));
    }
    for (const insert of fields) this.#append(node.message, insert);
    this.#note(scope, node, name);
    this.#asked.set(node, name);
    return name;
  }

  /** The same operator again, asked for the result alone: where the node's own is in use with another meaning. */
  #askCopy(scope: Scope, node: Node, index: number, attribute?: { name: string; value: number }): string {
    const b = this.builder(scope);
    const name = b.fresh();
    const attributes: Uint8Array[] = [...node.attributes.values()]
      .filter((a) => a.name !== attribute?.name)
      .map((a) => this.model.source.read(a.at, a.to).slice());
    if (attribute) attributes.push(intAttribute(attribute.name, attribute.value));
    const outputs = [b.fresh(), ...Array.from({ length: index - 1 }, () => b.fresh()), name];
    b.named(node.op, node.inputs, outputs, attributes, node.domain);
    this.#note(scope, node, name);
    this.#asked.set(node, name);
    return name;
  }

  /** onnxruntime cannot infer the type of every optional result: it is that of the queries. */
  #note(scope: Scope, node: Node, name: string): void {
    const type = scope.value(node.inputs[0]!).type || FLOAT;
    const axes = [0, 1, 2, 3].map((i) => `${name}.${i}`);
    this.#append(scope.graph.message, noteField(name, type, axes));
  }

  #append(inside: Edit["inside"], insert: Uint8Array): void {
    this.#edits.push({ inside, at: inside.to, remove: 0, insert });
  }

  /**
   * Brings a float value out to the main graph: one place per branch in which it is made. A branch of an If without it
   * gives an empty tensor; the rounds of a Loop or Scan come one behind the other along the first axis.
   * @returns its name there
   */
  hoist(places: readonly Place[], rank: number): string {
    let open = [...places];
    for (;;) {
      const inner = deepest(open);
      if (!inner) return open[0]!.name;
      const { parent, owner } = inner.scope;
      const branches = [...parent!.children.values()].filter((s) => s.owner === owner);
      for (const branch of branches) {
        const name = open.find((p) => p.scope === branch)?.name ?? this.#empty(branch, rank);
        this.output(branch, name, rank);
      }
      const name = this.#names.fresh();
      this.#result(owner!, branches[0]!, name);
      const made = owner!.op === "If" ? name : this.#oneAxis(parent!, name);
      open = [...open.filter((p) => p.scope.owner !== owner), { scope: parent!, name: made }];
    }
  }

  /** One more result of a node with graphs inside. Results at the end that it does not take are given no name first. */
  #result(owner: Node, branch: Scope, name: string): void {
    const all = branch.graph.outputs.length - (owner.op === "Loop" ? 1 : 0); // the first says whether to go on
    if (!this.#results.has(owner))
      for (let i = owner.outputs.length; i < all; i++) this.#append(owner.message, textField(2, ""));
    this.#results.add(owner);
    this.#append(owner.message, textField(2, name));
  }

  /** [rounds, B, …] → [rounds · B, …] */
  #oneAxis(scope: Scope, x: string): string {
    const b = this.builder(scope);
    const shape = b.op("Shape", [x]);
    const first = b.op("Mul", [b.lengths(x, 0), b.lengths(x, 1)]);
    return b.reshape(x, b.concat(0, first, b.op("Slice", [shape, b.ints(2), b.ints(9)])));
  }

  #empty(scope: Scope, rank: number): string {
    const b = this.builder(scope);
    return b.op("ConstantOfShape", [b.ints(...new Array<number>(rank).fill(0))]);
  }

  /** Declares a float output of a graph. */
  output(scope: Scope, name: string, rank: number, axes?: readonly string[]): void {
    const field = outputField(
      name,
      FLOAT,
      Array.from({ length: rank }, (_, i) => axes?.[i] ?? `${name}.${i}`),
    );
    const known = this.#outputs.get(scope);
    if (known) known.push(field);
    else this.#outputs.set(scope, [field]);
  }

  /** Everything as edits of the file. */
  get edits(): Edit[] {
    const out = [...this.#edits];
    const append = (scope: Scope, insert: Uint8Array): void => {
      const inside = scope.graph.message;
      out.push({ inside, at: inside.to, remove: 0, insert });
    };
    for (const [scope, { nodes }] of this.#builders) for (const node of nodes) append(scope, node);
    for (const [scope, fields] of this.#outputs) for (const field of fields) append(scope, field);
    return out;
  }
}

function deepest(places: readonly Place[]): Place | undefined {
  const depth = ({ scope }: Place): number => {
    let n = 0;
    for (let s = scope.parent; s; s = s.parent) n++;
    return n;
  };
  const inner = places.filter((p) => depth(p) > 0).sort((a, b) => depth(b) - depth(a));
  return inner[0];
}

function allNames(scope: Scope, into = new Set<string>()): Set<string> {
  for (const node of scope.graph.nodes) for (const name of node.outputs) into.add(name);
  for (const name of scope.graph.initializers.keys()) into.add(name);
  for (const v of scope.graph.inputs) into.add(v.name);
  for (const child of scope.children.values()) allNames(child, into);
  return into;
}
