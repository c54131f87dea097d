/**
 * @file A graph with its edges: who makes a value, who uses it, in which order nodes can run.
 *
 * A graph inside an If sees the values around it; names of two branches may be equal, so each graph is a scope of its
 * own and a name is looked up outwards.
 */
import type { Graph, Node } from "../proto/model.js";
import { refuse } from "../wire/refuse.js";

/** Where a value's numbers come from. */
export type Origin =
  /** A stored constant, perhaps transposed, cast, dequantised or scaled: what the second operand of a linear layer is. */
  | "weight"
  /** No input of the model is in it, but it went through a layer or took a length from an input: learned queries, positions. */
  | "computed"
  /** Depends on the numbers of an input. */
  | "input";

/** What can be known of a value without running the graph. */
export interface Value {
  /** Element type number; 0: not known. */
  type: number;
  /** Lengths of its axes; undefined inside: that one is not known. Undefined: not even the rank is. */
  dims: (number | undefined)[] | undefined;
  /** The numbers of a short whole-number tensor (shapes, axes), each as far as it is known. */
  ints: (number | undefined)[] | undefined;
  origin: Origin;
}

export class Scope {
  readonly graph: Graph;
  readonly parent: Scope | undefined;
  /** The node whose attribute this graph is, in the parent. */
  readonly owner: Node | undefined;
  readonly values = new Map<string, Value>();
  /** Nodes in an order in which they can run. */
  readonly order: Node[];
  /** Length of the longest path of nodes that leads to a node, itself included. */
  readonly level = new Map<Node, number>();
  readonly children = new Map<Graph, Scope>();
  readonly #inputs: ReadonlySet<string>;
  readonly #makers = new Map<string, Node>();
  readonly #users = new Map<string, Node[]>();

  constructor(graph: Graph, file: string, parent?: Scope, owner?: Node) {
    this.graph = graph;
    this.parent = parent;
    this.owner = owner;
    this.#inputs = new Set(graph.inputs.map((v) => v.name));
    for (const node of graph.nodes) for (const name of node.outputs) if (name !== "") this.#makers.set(name, node);
    this.order = this.#sorted(file);
    for (const node of this.order) {
      for (const inner of graphsOf(node)) this.children.set(inner, new Scope(inner, file, this, node));
    }
  }

  /** The node that makes a value, and the scope it stands in; undefined for inputs and constants. */
  maker(name: string): { node: Node; scope: Scope } | undefined {
    const node = this.#makers.get(name);
    if (node) return { node, scope: this };
    return this.holds(name) ? undefined : this.parent?.maker(name);
  }

  /** Nodes of this graph that take a value. */
  users(name: string): readonly Node[] {
    return this.#users.get(name) ?? [];
  }

  /** What is known of a value. */
  value(name: string): Value {
    return this.values.get(name) ?? this.parent?.value(name) ?? unknown;
  }

  /** True for this graph's own inputs and constants. */
  holds(name: string): boolean {
    return this.graph.initializers.has(name) || this.#inputs.has(name);
  }

  /** Kahn's algorithm; equal nodes keep the order of the file. */
  #sorted(file: string): Node[] {
    const { nodes } = this.graph;
    const waits = new Map<Node, number>();
    for (const node of nodes) {
      const needed = new Set<Node>();
      for (const name of needs(node)) {
        const users = this.#users.get(name);
        if (!users) this.#users.set(name, [node]);
        else if (users.at(-1) !== node) users.push(node);
        const maker = this.#makers.get(name);
        if (maker) needed.add(maker);
      }
      waits.set(node, needed.size);
    }
    const order = nodes.filter((n) => waits.get(n) === 0);
    for (let i = 0; i < order.length; i++) {
      const node = order[i]!;
      let level = 0;
      for (const name of needs(node)) level = Math.max(level, this.level.get(this.#makers.get(name)!) ?? 0);
      this.level.set(node, level + 1);
      const next = new Set<Node>();
      for (const name of node.outputs) for (const user of this.#users.get(name) ?? []) next.add(user);
      for (const user of next) {
        const left = waits.get(user)! - 1;
        waits.set(user, left);
        if (left === 0) order.push(user);
      }
    }
    if (order.length < nodes.length) {
      const stuck = nodes.find((n) => waits.get(n)! > 0)!;
      refuse(file, `has a cycle: node "${stuck.name || stuck.op}" needs its own result`, "export the model again");
    }
    return order;
  }
}

const unknown: Value = { type: 0, dims: undefined, ints: undefined, origin: "input" };

/** The graphs among a node's attributes. */
export function graphsOf(node: Node): Graph[] {
  const out: Graph[] = [];
  for (const a of node.attributes.values()) if (a.graphs) out.push(...a.graphs);
  return out;
}

const captured = new WeakMap<Node, string[]>();

/** Every value a node needs: its inputs, and what the graphs inside it take from around them. */
export function needs(node: Node): readonly string[] {
  const inner = graphsOf(node);
  if (inner.length === 0) return node.inputs;
  let all = captured.get(node);
  if (!all) {
    all = [...node.inputs];
    for (const graph of inner) {
      const own = new Set<string>([...graph.initializers.keys(), ...graph.inputs.map((v) => v.name)]);
      for (const n of graph.nodes) for (const name of n.outputs) own.add(name);
      for (const n of graph.nodes) for (const name of needs(n)) if (!own.has(name)) all.push(name);
      for (const v of graph.outputs) if (!own.has(v.name)) all.push(v.name);
    }
    captured.set(node, all);
  }
  return all;
}
