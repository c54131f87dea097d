import { describe, expect, test } from "vitest";
import { linformer } from "../../src/attention/efficient/index.js";
import { ops, referenceKernel, withOperations } from "../../src/kernels/index.js";
import { type Tensor } from "../../src/tensor/index.js";
import { identity, merged, project, tensorsOf, within } from "./efficient.js";
import { type GoldenCase, goldenSets } from "./where.js";

const cases = goldenSets("linformer");

test("there are Linformer goldens to compare with", () => expect(cases.length).toBeGreaterThan(0));

/** The layer of the `linformer` package: q from x, k and v from x or a context, to_out with bias. */
function layer(x: Tensor, context: Tensor, w: Record<string, Tensor>, c: GoldenCase, values?: Tensor): Tensor {
  const D = c.about.dim / c.about.heads;
  const kHeads = w["to_k.weight"]!.shape[0]! / D;
  const k = project(context, w["to_k.weight"]!, undefined, kHeads);
  const v = w["to_v.weight"] ? project(context, w["to_v.weight"], undefined, kHeads) : k;
  return linformer(project(x, w["to_q.weight"]!, undefined, c.about.heads), k, values ?? v, {
    projectK: w["proj_k"]!,
    ...(w["proj_v"] && { projectV: w["proj_v"] }),
  });
}

describe.each(cases.filter((c) => c.about.depth === null))("$id", (c) => {
  const t = tensorsOf(c);
  const w = t.under("param.");
  const x = t("x");
  const context = t.has("context") ? t("context") : x;

  test("output", () =>
    withOperations(referenceKernel(), () => {
      const out = ops().linear(merged(layer(x, context, w, c)), w["to_out.weight"]!, { bias: w["to_out.bias"] });
      within(out, t("out"), c, "out");
    }));
  test("the map of every head, with the identity as values", () =>
    withOperations(referenceKernel(), () => {
      const heads = w["to_k.weight"]!.shape[0]! / (c.about.dim / c.about.heads);
      const values = identity(2, heads, context.shape[1]!);
      within(layer(x, context, w, c, values), t("attn_effective_dense"), c, "attn_effective_dense");
    }));
});

describe.each(cases.filter((c) => c.about.depth !== null))("$id", (c) => {
  test("a stack of pre-norm layers with feed-forward", () =>
    withOperations(referenceKernel(), () => {
      const o = ops();
      const t = tensorsOf(c);
      let x = t("x");
      for (let n = 0; n < c.about.depth; n++) {
        const w = t.under(`param.net.layers.${n}.0.`);
        const f = t.under(`param.net.layers.${n}.1.`);
        const own = Object.fromEntries(Object.entries(w).map(([name, p]) => [name.replace(/^fn\./, ""), p]));
        const y = o.layerNorm(x, w["norm.weight"], w["norm.bias"], 1e-5);
        const attended = merged(layer(y, y, own, c));
        x = o.linear(attended, own["to_out.weight"]!, { bias: own["to_out.bias"], residual: x });
        const z = o.layerNorm(x, f["norm.weight"], f["norm.bias"], 1e-5);
        const inner = o.linear(z, f["fn.w1.weight"]!, { bias: f["fn.w1.bias"], activation: "gelu" });
        x = o.linear(inner, f["fn.w2.weight"]!, { bias: f["fn.w2.bias"], residual: x });
      }
      within(x, t("out"), c, "out");
    }));
});
