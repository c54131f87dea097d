/** @file Fused operators, one to a graph: maps equal numpy's and the operator's own result is what onnxruntime gives untouched. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Feed, openOnnx } from "../../src/onnx/index.js";
import { readSafetensors, tensor } from "../../src/tensor/index.js";
import { expectWithin } from "./numbers.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("onnx-fused");

test("the set is here", () => expect(cases.length).toBeGreaterThanOrEqual(10));

test.each(cases)("$id", async ({ id, folder, about }) => {
  const golden = readSafetensors(readFileSync(join(folder, "golden.safetensors")), id);
  const feeds: Record<string, Feed> = {};
  for (const name of golden.names.filter((n) => n.startsWith("input."))) {
    const { data, shape } = golden.raw(name);
    feeds[name.slice("input.".length)] = { data, shape: [...shape] } as Feed;
  }
  const name = golden.names.find((n) => n.startsWith("attention."))!;
  const [, kind] = name.split(".");
  const model = await openOnnx(join(folder, "model.onnx"), { session: { intraOpNumThreads: 1 } });
  expect(model.attentions.map((a) => [a.kind, a.layer, a.heads])).toEqual([[kind, 0, golden.tensor(name).shape[1]]]);
  const { outputs, trace } = await model.run(feeds);
  expectWithin(trace.weights({ kind: kind as never, layer: 0 }), golden.tensor(name), about.tol_abs, `${id} map`);
  const y = outputs["y"]!;
  expectWithin(tensor(y.data as Float32Array, y.shape), golden.tensor("output.y"), about.tol_abs, `${id} y`);
  await model.release();
});
