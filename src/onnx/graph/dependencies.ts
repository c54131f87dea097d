/**
 * @file What every value depends on: which inputs of the model, and which attentions.
 *
 * A set is one big integer, a bit per input and per attention. Lengths carry nothing: Shape ends a dependence. This is
 * what tells self- from cross-attention where names do not: a query that knows of something its keys do not know of asks
 * another sequence.
 */
import type { Graph } from "../proto/model.js";
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
        for (const inner of graphsOf(node)) set |= this.#inside(scope, inner);
      }
      for (const name of node.outputs) sets.set(name, set | (marks?.get(name) ?? 0n));
    }
  }

  #inside(scope: Scope, graph: Graph): bigint {
    const child = scope.children.get(graph)!;
    this.#fill(child, new Map());
    return graph.outputs.reduce((set, v) => set | this.of(child, v.name), 0n);
  }
}
