/** @file Models of loadModel: each architecture is right with its cache, and a cache that goes wrong is named. */
import { describe, expect, test } from "vitest";
import { checkModel } from "../../src/check/index.js";
import { loadModel, type Model } from "../../src/models/index.js";
import { golden } from "../goldens/where.js";

const folder = (path: string) => loadModel(golden(`${path}/model`)!);
const cacheRules = ["cache-prefill-not-causal", "cache-history-masked", "rope-offset-in-cache"];

test.each(["gpt2/lm-h4-d32", "llama/gqa-4q2kv", "mistral/sliding-4", "t5/relu-tied"])(
  "%s has no finding, with its cache",
  async (path) => {
    const report = await checkModel(await folder(path));
    expect(report.findings).toEqual([]);
    expect(report.tested).toEqual(expect.arrayContaining(cacheRules));
    if (path.startsWith("t5")) expect(report.tested).toContain("t5-bias-in-cross-attention");
  },
);

test.each(["bert/base-h12-d48", "roberta/mlm"])("%s wants its padding on the right: a convention", async (path) => {
  const report = await checkModel(await folder(path));
  expect(report.findings.map((f) => [f.rule, f.severity])).toEqual([["left-pad-positions", "info"]]);
});

describe("a loaded model with one mistake", () => {
  const spoilt = async (path: string, spoil: (m: Model) => void) => {
    const model = await folder(path);
    spoil(model);
    return (await checkModel(model)).findings.map((f) => f.rule);
  };
  const restarts = (m: Model) => {
    m.past = (_pass, { batch }) => new Int32Array(batch);
  };
  test("positions that start again in a step: GPT-2", async () =>
    expect(await spoilt("gpt2/lm-h4-d32", restarts)).toEqual(["rope-offset-in-cache"]));
  test("positions that start again in a step: Llama", async () =>
    expect(await spoilt("llama/gqa-4q2kv", restarts)).toEqual(["rope-offset-in-cache"]));
  test("a mask that is not passed on", async () =>
    expect(
      await spoilt("bert/base-h12-d48", (m) => {
        const compute = m.compute.bind(m);
        m.compute = ({ tokens }, pass) => compute({ tokens: { ...tokens, mask: undefined } }, pass);
      }),
    ).toEqual(["padding-leak"]));
});
