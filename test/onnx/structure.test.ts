/** @file What is attention and what is not, told by structure alone; branches of an If; bytes that an edit leaves alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exposeAttention, openOnnx } from "../../src/onnx/index.js";
import { memorySource } from "../../src/onnx/wire/source.js";
import { readModel } from "../../src/onnx/proto/read.js";
import { textField } from "../../src/onnx/wire/write.js";
import {
  attentionNodes,
  attentionShapes,
  graphAttribute,
  input,
  model,
  node,
  output,
  stack,
  weight,
} from "./writer.js";

const x = (): Uint8Array => input("x", "float32", ["batch", "tokens", 4]);
const out = (name: string): Uint8Array => output(name, "float32", ["batch", "tokens", 4]);
const feeds = { x: { data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), shape: [2, 3, 4] } };

test("a softmax written as exponential, sum and division is a softmax", async () => {
  const weights = (scores: string, into: string): Uint8Array[] => [
    node("ReduceMax", [scores], ["m"], { axes: [-1] }),
    node("Sub", [scores, "m"], ["shifted"]),
    node("Exp", ["shifted"], ["e"]),
    node("ReduceSum", ["e", "last"], ["sum"]),
    node("Div", ["e", "sum"], [into]),
  ];
  const bytes = model([...attentionNodes("a", "x", "x", weights), ...attentionShapes, x(), out("a.out"), lastAxis()]);
  const opened = await openOnnx(bytes);
  expect(opened.attentions.map((a) => [a.kind, a.layer, a.heads, a.tapped])).toEqual([["self", 0, 2, "a.softmax"]]);
  const { trace } = await opened.run(feeds);
  const map = trace.weights({ layer: 0 });
  expect(map.shape).toEqual([2, 2, 3, 3]);
  for (let row = 0; row < map.size; row += 3)
    expect(map.data[row]! + map.data[row + 1]! + map.data[row + 2]!).toBeCloseTo(1, 6);
});

/** An int64 list [-1] under the name "last". */
function lastAxis(): Uint8Array {
  return Uint8Array.from([
    42,
    20,
    8,
    1,
    16,
    7,
    66,
    4,
    ...new TextEncoder().encode("last"),
    74,
    8,
    ...new Array<number>(8).fill(255),
  ]);
}

test("a router that mixes experts by a softmax of a linear layer is no attention", async () => {
  const bytes = model([
    weight("router", [4, 3]),
    weight("experts", [3, 4]),
    node("MatMul", ["x", "router"], ["logits"]),
    node("Softmax", ["logits"], ["gates"], { axis: -1 }),
    node("Transpose", ["x"], ["xt"], { perm: [0, 2, 1] }),
    node("MatMul", ["xt", "gates"], ["y"]),
    x(),
    output("y", "float32", ["batch", 4, 3]),
  ]);
  expect((await openOnnx(bytes)).attentions).toEqual([]);
});

test("scores written piece by piece into another tensor are listed as attention that is not shown, with the reason", async () => {
  const weights = (scores: string, into: string): Uint8Array[] => [
    node("ScatterND", ["buffer", "places", scores], ["written"]),
    node("Softmax", ["written"], [into], { axis: -1 }),
  ];
  const bytes = model([
    ...attentionNodes("a", "x", "x", weights),
    ...attentionShapes,
    node("ConstantOfShape", ["places.shape"], ["places"]),
    node("ConstantOfShape", ["places.shape"], ["buffer"]),
    x(),
    out("a.out"),
  ]);
  const [found, ...more] = (await openOnnx(bytes)).attentions;
  expect(more).toEqual([]);
  expect(found).toMatchObject({ kind: "self", layer: 0 });
  expect(found!.tapped).toMatch(/^hidden: its weights .*no map over all keys$/);
  expect(exposeAttention(bytes)).toBe(bytes);
});

test("queries that ask a second input are cross-attention, in layers counted apart", async () => {
  const bytes = model([
    ...attentionNodes("one", "x"),
    ...attentionNodes("two", "one.out", "memory"),
    ...attentionNodes("three", "two.out"),
    ...attentionShapes,
    x(),
    input("memory", "float32", ["batch", "source", 4]),
    out("three.out"),
  ]);
  const { attentions } = await openOnnx(bytes);
  expect(attentions.map((a) => `${a.kind} ${a.layer} ${a.source}`)).toEqual([
    "decoder 0 dataflow",
    "decoder 1 dataflow",
    "cross 0 dataflow",
  ]);
});

describe("an If with attention in both branches", () => {
  const branch = (name: string, label: string): Uint8Array =>
    graphAttribute(name, [...attentionNodes(label, "x"), ...attentionShapes, out(`${label}.out`)]);
  const bytes = model([
    node("If", ["flag"], ["y"], { then_branch: branch("then_branch", "a"), else_branch: branch("else_branch", "b") }),
    x(),
    input("flag", "bool", []),
    out("y"),
  ]);
  test("is one attention, whichever branch runs", async () => {
    const opened = await openOnnx(bytes);
    expect(opened.attentions).toHaveLength(1);
    for (const flag of [0, 1]) {
      const { trace } = await opened.run({ ...feeds, flag: { data: [flag], shape: [] } });
      expect(trace.weights({ layer: 0 }).shape).toEqual([2, 2, 3, 3]);
    }
  });
});

test("an edit only adds: every byte of the file comes back in its order, fields that no schema knows too", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.string(), (layers, text) => {
      const bytes = Uint8Array.from([...stack(layers), ...textField(999, text)]);
      const edited = exposeAttention(bytes);
      // What the graph held is there again in one piece; only its length, before it, is another.
      const { from, to } = readModel(memorySource(bytes)).graph.message;
      const moved = readModel(memorySource(edited)).graph.message.from;
      expect(edited.subarray(moved, moved + to - from)).toEqual(bytes.subarray(from, to));
      const names = readModel(memorySource(edited)).graph.outputs.map((v) => v.name);
      expect(names).toEqual([`layer${layers - 1}.out`, ...Array.from({ length: layers }, (_, i) => `attentions.${i}`)]);
      expect(edited.subarray(-textField(999, text).length)).toEqual(textField(999, text));
    }),
    { numRuns: 20 },
  );
});
