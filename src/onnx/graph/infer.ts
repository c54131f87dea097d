/**
 * @file What can be known of every value without running the graph: type, shape, short integer contents, origin.
 *
 * One pass in running order. A rule per operator (`rules.ts`) says what comes out; an operator without a rule gives an
 * unknown shape, which the file's own annotations may still supply. Nothing here is needed for a map to be right: shapes
 * tell the number of heads and the layout, origins tell attention from linear layers.
 */
import type { Graph, Node, ValueInfo } from "../proto/model.js";
import { rules } from "./rules.js";
import { graphsOf, type Origin, type Scope, type Value } from "./scope.js";

/** Fills `scope.values`, and those of the graphs inside. */
export function infer(scope: Scope): void {
  const { graph } = scope;
  for (const input of graph.inputs) scope.values.set(input.name, fromInfo(input, "input"));
  for (const t of graph.initializers.values()) {
    const short = t.dims.length <= 1 && t.values;
    scope.values.set(t.name, { type: t.type, dims: t.dims, ints: short ? t.values : undefined, origin: "weight" });
  }
  const annotated = new Map<string, ValueInfo>(graph.values);
  for (const output of graph.outputs) annotated.set(output.name, output);
  for (const node of scope.order) {
    const inner = graphsOf(node).map((g) => scope.children.get(g)!);
    for (const s of inner) infer(s);
    const made = inner.length > 0 ? fromBranches(node, inner) : fromRule(node, scope);
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      const value = made[i] ?? { type: 0, dims: undefined, ints: undefined, origin: "input" };
      const note = annotated.get(name);
      scope.values.set(name, note ? completed(value, fromInfo(note, value.origin)) : value);
    });
  }
}

function fromInfo({ type, shape }: ValueInfo, origin: Origin): Value {
  const dims = shape?.map((d) => (typeof d === "number" ? d : undefined));
  return { type, dims, ints: undefined, origin };
}

/** A value with what an annotation adds to it. */
function completed(value: Value, note: Value): Value {
  const { dims } = value;
  return {
    ...value,
    type: value.type || note.type,
    dims: dims && dims.length === note.dims?.length ? dims.map((d, i) => d ?? note.dims![i]) : (dims ?? note.dims),
  };
}

function fromRule(node: Node, scope: Scope): (Value | undefined)[] {
  const inputs = node.inputs.map((name) => (name === "" ? undefined : scope.value(name)));
  const rule =
    (node.domain === "" || node.domain === "com.microsoft") && Object.hasOwn(rules, node.op)
      ? rules[node.op]
      : undefined;
  const origin = originOf(node, inputs);
  const made = rule?.(inputs, node) ?? [];
  return node.outputs.map((_, i) => {
    const { type = 0, dims, ints } = made[i] ?? {};
    return { type, dims, ints: ints && ints.length <= 64 ? ints : undefined, origin };
  });
}

/** Operators that leave a stored weight what it is: another layout, type or scale of the same numbers. */
const layout = new Set(
  "Constant Identity Transpose Reshape Squeeze Unsqueeze Flatten Cast CastLike Slice Split Concat Pad QuantizeLinear DequantizeLinear DynamicQuantizeLinear Add Sub Mul Div Neg Pow Sqrt Exp Abs Reciprocal ReduceSum ReduceMax ReduceL2 ReduceMean Clip Max Min".split(
    " ",
  ),
);

function originOf(node: Node, inputs: readonly (Value | undefined)[]): Origin {
  // A shape is no content: lengths of an input say nothing of its numbers.
  if (node.op === "Shape" || node.op === "Size") return inputs[0]?.origin === "weight" ? "weight" : "computed";
  let origin: Origin = "weight";
  for (const value of inputs) {
    if (value?.origin === "input") return "input";
    if (value?.origin === "computed") origin = "computed";
  }
  return layout.has(node.op) ? origin : "computed";
}

/** An If gives what both branches agree on. Loops and scans: nothing is known. */
function fromBranches(node: Node, inner: readonly Scope[]): (Value | undefined)[] {
  if (node.op !== "If") return [];
  const results = (s: Scope): Value[] => outputsOf(s.graph).map((name) => s.value(name));
  const [a, b] = inner.map(results);
  if (!a || !b) return [];
  return a.map((x, i) => {
    const y = b[i];
    if (!y || x.dims?.length !== y.dims?.length) return { ...x, dims: undefined, ints: undefined, origin: "input" };
    return { ...x, dims: x.dims?.map((d, j) => (d === y.dims![j] ? d : undefined)), ints: undefined, origin: "input" };
  });
}

const outputsOf = (graph: Graph): string[] => graph.outputs.map((v) => v.name);
