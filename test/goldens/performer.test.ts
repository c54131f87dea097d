import { describe, expect, test } from "vitest";
import { linearAttention, performer, softmaxFeatures } from "../../src/attention/efficient/index.js";
import { ops, referenceKernel, withOperations } from "../../src/kernels/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { identity, merged, project, tensorsOf, within } from "./efficient.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("performer");

test("there are Performer goldens to compare with", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases.filter((c) => c.about.kind.endsWith("FastAttention")))("$id", (c) => {
  const t = tensorsOf(c);
  const causal = c.about.causal === "True";
  const relu = c.about.generalized_attention === "True";
  const run = (v: Tensor): Tensor =>
    c.about.no_projection === "True"
      ? linearAttention(t("q"), t("k"), v, { kernel: "softmax" })
      : performer(t("q"), t("k"), v, {
          projection: t("projection_matrix"),
          kernel: relu ? "relu" : "softmax",
          causal,
          denominatorEpsilon: causal ? 1e-6 : 0,
        });

  test("output", () => withOperations(referenceKernel(), () => within(run(t("v")), t("out"), c, "out")));
  test("the map of every head, with the identity as values", () =>
    withOperations(referenceKernel(), () => {
      within(run(identity(2, 2, t("k").shape[2]!)), t("attn_implied_dense"), c, "attn_implied_dense");
    }));
  if (!relu && c.about.no_projection !== "True") {
    test("features of queries and keys", () =>
      withOperations(referenceKernel(), () => {
        const scaled = (x: Tensor) => ops().affine(x, x.shape[3]! ** -0.25);
        const map = "positive";
        for (const [x, shared] of [["q", "row"], ["k", "head"]] as const) {
          const features = softmaxFeatures(scaled(t(x)), t("projection_matrix"), { map, shared, epsilon: 1e-4 });
          within(features, t(`${x}_features`), c, `${x}_features`);
        }
      }));
  }
});

describe.each(cases.filter((c) => c.about.kind.endsWith("SelfAttention")))("$id", (c) => {
  const t = tensorsOf(c);
  const layer = (values: (v: Tensor) => Tensor): Tensor => {
    const part = (name: string) => project(t("x"), t(`param.${name}.weight`), undefined, c.about.heads);
    const out = performer(part("to_q"), part("to_k"), values(part("to_v")), { projection: t("projection_matrix") });
    return ops().linear(merged(out), t("param.to_out.weight"), { bias: t("param.to_out.bias") });
  };

  test("the whole layer", () => withOperations(referenceKernel(), () => within(layer((v) => v), t("out"), c, "out")));
  test("with a mask, which performer-pytorch applies to values only", () =>
    withOperations(referenceKernel(), () => {
      const mask = t("mask"); // [B, L]
      const over = tensor(mask.data, [mask.shape[0]!, 1, mask.shape[1]!, 1]);
      within(layer((v) => ops().binary("multiply", v, over)), t("out_masked"), c, "out_masked");
    }));
});
