import { describe, expect, test } from "vitest";
import { bigBird } from "../../src/attention/efficient/index.js";
import { referenceKernel, withOperations } from "../../src/kernels/index.js";
import type { Tensor } from "../../src/tensor/index.js";
import { identity, merged, project, tensorsOf, within } from "./efficient.js";
import { goldenSets } from "./where.js";

const cases = goldenSets("bigbird").filter((c) => c.about.kind === "BigBirdBlockSparseAttention");

test("there are BigBird goldens to compare with", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases)("$id", (c) => {
  const t = tensorsOf(c);
  const heads: number = c.about.num_heads;
  const mask = t("attention_mask");
  const L = mask.shape[1]!;
  const part = (name: string) => project(t("hidden_states"), t(`param.${name}.weight`), t(`param.${name}.bias`), heads);
  const run = (values?: Tensor) =>
    bigBird(part("query"), part("key"), values ?? part("value"), {
      blockSize: c.about.block_size,
      randomBlocks: t("rand_attn"),
      repeatedBlocks: "count", // Hugging Face lets a block named twice weigh twice
      keyPadding: mask,
    });
  const padded = (b: number, i: number) => mask.data[b * L + i] === 0; // zeroed by Hugging Face afterwards

  test("output", () =>
    withOperations(referenceKernel(), () => within(merged(run()), t("out"), c, "out", ([b, i]) => padded(b!, i!))));
  test("the map of every head, with the identity as values", () =>
    withOperations(referenceKernel(), () => {
      within(run(identity(2, heads, L)), t("attn_effective"), c, "attn_effective", ([b, , i]) => padded(b!, i!));
    }));
});
