/** @file Attention inside Loop and Scan: a map a round, where rounds have one shape; else one line that says so. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { exposeAttention, openOnnx } from "../../src/onnx/index.js";
import { bytesField, intField, messageField, textField } from "../../src/onnx/wire/write.js";
import {
  attentionNodes,
  attentionShapes,
  graphAttribute,
  input,
  integers,
  model,
  node,
  output,
  stack,
  weight,
} from "./writer.js";

const ends = [input("x", "float32", ["batch", "tokens", 4]), output("y", "float32", ["batch", "tokens", 4])];
const feed = { data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), shape: [2, 3, 4] };
const truth = messageField(5, [intField(2, 9), textField(8, "go"), bytesField(9, Uint8Array.of(1))]);

/** x ← attention(x), `rounds` times, in a Loop; the body may make x longer. */
function loop(rounds: number, grows = false): Uint8Array {
  const tokens = grows ? "n" : 3;
  const body = [
    input("round", "int64", []),
    input("on", "bool", []),
    input("h", "float32", [2, tokens, 4]),
    ...attentionNodes("a", "h"),
    ...attentionShapes,
    node("Identity", ["on"], ["still"]),
    ...(grows ? [node("Concat", ["a.out", "x"], ["next"], { axis: 1 })] : [node("Identity", ["a.out"], ["next"])]),
    output("still", "bool", []),
    output("next", "float32", [2, tokens, 4]),
  ];
  return model([
    integers("rounds", [rounds], []),
    truth,
    node("Loop", ["rounds", "go", "x"], ["y"], { body: graphAttribute("body", body) }, "again"),
    ...ends,
  ]);
}

/** The same layer, written out `rounds` times. */
const unrolled = (rounds: number): Uint8Array =>
  model([
    ...Array.from({ length: rounds }, (_, i) => {
      const nodes = attentionNodes(`l${i}`, i === 0 ? "x" : `l${i - 1}.out`).slice(4);
      return [...nodes, ...["wq", "wk", "wv", "wo"].map((w) => weightOf(`l${i}.${w}`, `a.${w}`))];
    }).flat(),
    ...attentionShapes,
    node("Identity", [`l${rounds - 1}.out`], ["y"]),
    ...ends,
  ]);

/** The weight that `attentionNodes("a")` has, under another name. */
function weightOf(name: string, like: string): Uint8Array {
  const from = weight(like, [4, 4]);
  return messageField(5, [
    intField(1, 4),
    intField(1, 4),
    intField(2, 1),
    textField(8, name),
    bytesField(9, from.subarray(-64)),
  ]);
}

test("a Loop of three rounds gives three maps a text, those of the model with its rounds written out", async () => {
  const [opened, plain] = [await openOnnx(loop(3)), await openOnnx(unrolled(3))];
  expect(opened.attentions.map((a) => [a.kind, a.layer, a.tapped])).toEqual([
    ["self", 0, 'a.softmax, a map a round of Loop "again"'],
  ]);
  const [a, b] = [await opened.run({ x: feed }), await plain.run({ x: feed }, { maps: true })];
  expect(a.outputs["y"]).toEqual(b.outputs["y"]);
  const map = a.trace.weights({ layer: 0 });
  expect(map.shape).toEqual([3 * 2, 2, 3, 3]);
  const rounds = [0, 1, 2].flatMap((layer) => [...b.trace.weights({ layer }).data]);
  expect([...map.data]).toEqual(rounds);
});

test("an edited copy gives them as an output", async () => {
  const session = await InferenceSession.create(exposeAttention(loop(2)));
  const results = await session.run({ x: new Tensor("float32", feed.data, feed.shape) });
  expect(results["attentions.0"]!.dims).toEqual([2 * 2, 2, 3, 3]);
});

test("a Loop whose rounds differ in length is run without its maps, and says so; a copy of it is the file itself", async () => {
  const bytes = loop(3, true);
  const opened = await openOnnx(bytes);
  const { outputs, trace } = await opened.run({ x: feed });
  expect(outputs["y"]!.shape).toEqual([2, 12, 4]);
  expect(trace.records).toEqual([]);
  expect(opened.attentions[0]!.tapped).toBe("hidden: rounds of Loop that differ in shape");
  expect(exposeAttention(bytes)).toBe(bytes);
});

test("a Scan gives a map a slice", async () => {
  const body = [
    input("h", "float32", [2, 3, 4]),
    ...attentionNodes("a", "h"),
    ...attentionShapes,
    output("a.out", "float32", [2, 3, 4]),
  ];
  const bytes = model([
    node("Unsqueeze", ["x", "front"], ["slices"]),
    integers("front", [0]),
    node("Scan", ["slices"], ["y"], { body: graphAttribute("body", body), num_scan_inputs: 1 }, "each"),
    ends[0]!,
    output("y", "float32", [1, 2, 3, 4]),
  ]);
  const opened = await openOnnx(bytes);
  expect(opened.attentions.map((a) => a.tapped)).toEqual(['a.softmax, a map a round of Scan "each"']);
  const { trace } = await opened.run({ x: feed });
  expect(trace.weights({ layer: 0 }).shape).toEqual([2, 2, 3, 3]);
  expect(exposeAttention(bytes)).not.toBe(bytes);
});

test("attention before, in and after a Loop is counted in the order in which it runs", async () => {
  const body = [
    input("round", "int64", []),
    input("on", "bool", []),
    input("h", "float32", [2, 3, 4]),
    ...attentionNodes("inner", "h"),
    output("on", "bool", []),
    output("inner.out", "float32", [2, 3, 4]),
  ];
  const bytes = model([
    ...attentionNodes("before", "x"),
    integers("rounds", [2], []),
    truth,
    node("Loop", ["rounds", "go", "before.out"], ["mid"], { body: graphAttribute("body", body) }),
    ...attentionNodes("after", "mid"),
    ...attentionShapes,
    node("Identity", ["after.out"], ["y"]),
    ...ends,
  ]);
  const opened = await openOnnx(bytes);
  expect(opened.attentions.map((a) => [a.layer, a.tapped.split(".")[0]])).toEqual([
    [0, "before"],
    [1, "inner"],
    [2, "after"],
  ]);
});

test("attention inside an operator that searches for texts is named, and the file is left alone", async () => {
  const decoder = [
    input("h", "float32", [2, 3, 4]),
    ...attentionNodes("a", "h"),
    ...attentionShapes,
    output("a.out", "float32", [2, 3, 4]),
  ];
  const bytes = model(
    [
      node("com.microsoft:BeamSearch", ["x"], ["y"], { decoder: graphAttribute("decoder", decoder) }, "search"),
      ...ends,
    ],
    17,
    { "com.microsoft": 1 },
  );
  expect((await openOnnx(bytes)).attentions.map((a) => a.tapped)).toEqual([
    'hidden: inside BeamSearch "search", which does not hand it out',
  ]);
  expect(exposeAttention(bytes)).toBe(bytes);
  expect(exposeAttention(stack(1))).not.toEqual(stack(1));
});
