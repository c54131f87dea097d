/**
 * @file What every value depends on: which inputs of the model, and which attentions.
 *
 * A set is one big integer, a bit per input and per attention. Lengths carry nothing: Shape ends a dependence. This is
 * what tells self- from cross-attention where names do not: a query that knows of something its keys do not know of asks
 * another sequence.
 */
import type { Graph, Node } from "../proto/model.js";
import { graphsOf, type Scope } from "./scope.js";

export class Dependencies {
  readonly #sets = new Map<Scope, Map<string, bigint>>();
  readonly #marks: Map<Scope, Map<string, bigint>>;
  /** Bits of the model's inputs. */
  readonly inputs: bigint;

  /** @param marks per graph, the values that carry a bit of their own: results of attention. Bits of inputs come first. */
  constructor(root: Scope, isContent: (input: string) => boolean, marked: readonly { scope: Scope; result: string }[]) {
    const { graph } = root;
    this.#marks = new Map();
    marked.forEach(({ scope, result }, i) => {
      const marks = this.#marks.get(scope) ?? new Map<string, bigint>();
      this.#marks.set(scope, marks.set(result, 1n << BigInt(graph.inputs.length + i)));
    });
    const first = new Map<string, bigint>();
    graph.inputs.forEach((v, i) => {
      // Old files list their weights among the inputs.
      if (!graph.initializers.has(v.name) && isContent(v.name)) first.set(v.name, 1n << BigInt(i));
    });
    this.inputs = (1n << BigInt(graph.inputs.length)) - 1n;
    this.#fill(root, first);
  }

  /** What a value of a graph depends on; nothing for constants. */
  of(scope: Scope, name: string): bigint {
    for (let s: Scope | undefined = scope; s; s = s.parent) {
      const set = this.#sets.get(s)?.get(name);
      if (set !== undefined) return set;
    }
    return 0n;
  }

  /** The bit of the attention with this place among the marked. */
  bit(index: number): bigint {
    return (this.inputs + 1n) << BigInt(index);
  }

  #fill(scope: Scope, sets: Map<string, bigint>): void {
    this.#sets.set(scope, sets);
    const marks = this.#marks.get(scope);
    for (const node of scope.order) {
      let set = 0n;
      if (node.op !== "Shape" && node.op !== "Size") {
        for (const name of node.inputs) if (name !== "") set |= this.of(scope, name);
        for (const inner of graphsOf(node)) set |= this.#inside(scope, inner, node);
      }
      for (const name of node.outputs) sets.set(name, set | (marks?.get(name) ?? 0n));
    }
  }

  /** What a graph inside depends on. A body's inputs are the node's, and in later rounds what the body itself gave. */
  #inside(scope: Scope, graph: Graph, node: Node): bigint {
    const child = scope.children.get(graph)!;
    const first = new Map<string, bigint>();
    // Loop: round, condition, states; Scan: states, slices (before them, in the oldest version, lengths).
    const skip = node.op === "Scan" ? Math.max(0, node.inputs.length - graph.inputs.length) : 0;
    graph.inputs.forEach((v, i) => void first.set(v.name, this.of(scope, node.inputs[i + skip] ?? "")));
    this.#fill(child, first);
    const given = graph.outputs.map((v) => this.of(child, v.name));
    if (node.op === "Loop" || node.op === "Scan") {
      // A Loop's first result is whether to go on; its states start at the third input.
      const [to, from] = node.op === "Loop" ? [2, 1] : [0, 0];
      let grown = false;
      for (let i = 0; i + to < graph.inputs.length && i + from < given.length; i++) {
        const { name } = graph.inputs[i + to]!;
        const set = first.get(name)! | given[i + from]!;
        if (set !== this.of(child, name)) grown = true;
        first.set(name, set);
      }
      if (grown) this.#fill(child, first);
    }
    return graph.outputs.reduce((set, v) => set | this.of(child, v.name), 0n);
  }
}
