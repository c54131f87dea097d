import { describe, expect, test } from "vitest";
import { openOnnx } from "../../src/onnx/index.js";
import { foundWrongly, mapsWrong, onnxCase, outputsWrong } from "./onnx-case.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("onnx-models").map(onnxCase);

test("there are cases to run", () => expect(cases.length).toBeGreaterThan(10));

describe.each(cases)("$id", (c) => {
  test("every attention is found, under its kind, layer and heads, and nothing else is", async () => {
    expect(foundWrongly(await openOnnx(c.path), c)).toEqual([]);
  });

  test("maps equal Hugging Face's and the ordinary outputs are unchanged, from q and k where they are kept and from maps", async () => {
    const model = await openOnnx(c.path, { session: { intraOpNumThreads: 1 } });
    for (const maps of [false, true]) {
      const { outputs, trace } = await model.run(c.feeds, { maps });
      expect([...mapsWrong(model, trace, c), ...outputsWrong(outputs, c)]).toEqual([]);
    }
    await model.release();
  });
});
