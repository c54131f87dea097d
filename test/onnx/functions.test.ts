/** @file Attention inside local functions: found and shown as if the functions' nodes stood where they are called. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { exposeAttention, inspectOnnx, openOnnx, writeExposed } from "../../src/onnx/index.js";
import { joined } from "../../src/onnx/wire/write.js";
import {
  attentionNodes,
  attentionShapes,
  input,
  localFunction,
  model,
  node,
  output,
  referenceAttribute,
  stack,
  weight,
} from "./writer.js";

const ends = [input("x", "float32", ["batch", "tokens", 4]), output("y", "float32", ["batch", "tokens", 4])];
const weights = ["wq", "wk", "wv", "wo"];
const feed = { data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), shape: [2, 3, 4] };

/** The nodes of one attention without their weights, whose softmax takes its axis from the caller. */
const body = attentionNodes("a", "x", "x", (scores, into) => [
  node("Softmax", [scores], [into], { axis: referenceAttribute("axis", "along") }),
]).slice(4);

/** The two layers of `stack(2)`, each the call of a function that calls another one. */
function withFunctions(): Uint8Array {
  const inner = ["x", ...weights.map((w) => `a.${w}`), "shape.heads", "shape.merged"];
  const call = (layer: string, from: string, to: string): Uint8Array =>
    node("local:Layer", [from, ...weights.map((w) => `${layer}.${w}`), "shape.heads", "shape.merged"], [to]);
  const main = model(
    [
      ...["layer0", "layer1"].flatMap((l) => weights.map((w) => weight(`${l}.${w}`, [4, 4]))),
      ...attentionShapes,
      call("layer0", "x", "h"),
      call("layer1", "h", "y"),
      ...ends,
    ],
    17,
    { local: 1 },
  );
  return joined([
    main,
    localFunction("Attend", inner, ["a.out"], body, ["along"]),
    localFunction("Layer", inner, ["a.out"], [node("local:Attend", inner, ["a.out"], { along: -1 }, "attend")]),
  ]);
}

test("two layers that call the same functions are two attentions, with the maps of the model written out", async () => {
  const [opened, plain] = [await openOnnx(withFunctions()), await openOnnx(stack(2))];
  expect(opened.attentions.map((a) => [a.kind, a.layer, a.heads])).toEqual([
    ["self", 0, 2],
    ["self", 1, 2],
  ]);
  for (const maps of [false, true]) {
    const [a, b] = [await opened.run({ x: feed }, { maps }), await plain.run({ x: feed }, { maps })];
    for (const layer of [0, 1]) expect(a.trace.weights({ layer })).toEqual(b.trace.weights({ layer }));
    expect(a.outputs["y"]).toEqual(b.outputs["layer1.out"]);
  }
});

test("an edited copy gives their maps, from bytes and from a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "qkv-functions-"));
  try {
    const [from, to] = [join(folder, "model.onnx"), join(folder, "edited.onnx")];
    writeFileSync(from, withFunctions());
    expect(await writeExposed(from, to)).toEqual(["attentions.0", "attentions.1"]);
    expect(new Uint8Array(readFileSync(to))).toEqual(exposeAttention(withFunctions()));
    const session = await InferenceSession.create(to);
    const results = await session.run({ x: new Tensor("float32", feed.data, feed.shape) });
    expect(Object.keys(results).sort()).toEqual(["attentions.0", "attentions.1", "y"]);
    expect(results["attentions.1"]!.dims).toEqual([2, 2, 3, 3]);
    expect((await inspectOnnx(from)).attentions).toHaveLength(2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a function without attention leaves the file as it is", () => {
  const bytes = joined([
    model([node("local:Twice", ["x"], ["y"]), ...ends], 17, { local: 1 }),
    localFunction("Twice", ["v"], ["w"], [node("Add", ["v", "v"], ["w"])]),
  ]);
  expect(exposeAttention(bytes)).toBe(bytes);
});

const refused = async (...functions: Uint8Array[]): Promise<string> => {
  const main = model([node("local:F0", ["x"], ["y"]), ...ends], 17, { local: 1 });
  return openOnnx(joined([main, ...functions])).then(
    () => "no error",
    (error: Error) => error.message,
  );
};

test("a function that calls itself is refused", async () => {
  expect(await refused(localFunction("F0", ["v"], ["w"], [node("local:F0", ["v"], ["w"])]))).toBe(
    'onnx: the bytes has local functions that call each other more than 32 deep, at "F0". Fix: export the model again.',
  );
});

test("functions that call the next one twice, thirty deep, are refused before they fill the memory", async () => {
  const functions = Array.from({ length: 30 }, (_, i) =>
    localFunction(
      `F${i}`,
      ["v"],
      ["w"],
      [node(i < 29 ? `local:F${i + 1}` : "Neg", ["v"], ["h"]), node(i < 29 ? `local:F${i + 1}` : "Neg", ["h"], ["w"])],
    ),
  );
  expect(await refused(...functions)).toMatch(
    /^onnx: the bytes has local functions of more than 100000 nodes or 64 MB/,
  );
});
