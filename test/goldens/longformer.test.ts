import { describe, expect, test } from "vitest";
import { longformer } from "../../src/attention/efficient/index.js";
import { referenceKernel, withOperations } from "../../src/kernels/index.js";
import type { Tensor } from "../../src/tensor/index.js";
import { identity, merged, project, tensorsOf, within } from "./efficient.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("longformer").filter((c) => c.about.kind === "LongformerSelfAttention");

test("there are Longformer goldens to compare with", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases)("$id", (c) => {
  const t = tensorsOf(c);
  const heads: number = c.about.num_heads;
  const half = c.about.attention_window / 2;
  const mask = t("attention_mask");
  const L = mask.shape[1]!;
  const x = t("hidden_states");
  const part = (name: string) => project(x, t(`param.${name}.weight`), t(`param.${name}.bias`), heads);
  const globalTokens = [0, 1].map((b) =>
    Array.from({ length: L }, (_, i) => i).filter((i) => t("global_attention_mask").data[b * L + i] === 1),
  );
  const run = (values?: Tensor) =>
    withOperations(referenceKernel(), () =>
      longformer(part("query"), part("key"), values ?? part("value"), {
        window: { left: half, right: half },
        globalTokens,
        globalQuery: part("query_global"),
        globalKey: part("key_global"),
        globalValue: values ?? part("value_global"),
        keyPadding: mask,
      }),
    );
  // Hugging Face zeroes the rows of padded queries afterwards; here they are rows like any other.
  const padded = (b: number, i: number) => mask.data[b * L + i] === 0;

  test("output", () => withOperations(referenceKernel(), () => within(merged(run()), t("out"), c, "out", ([b, i]) => padded(b!, i!))));
  test("the map of every head, with the identity as values", () =>
    withOperations(referenceKernel(), () => {
      within(run(identity(2, heads, L)), t("attn_dense"), c, "attn_dense", ([b, , i]) => padded(b!, i!));
    }));
});
