import { describe, expect, test } from "vitest";
import { lshBuckets, type ReformerOptions, reformer } from "../../src/attention/efficient/index.js";
import { referenceKernel, withOperations } from "../../src/kernels/index.js";
import type { Tensor } from "../../src/tensor/index.js";
import { identity, merged, project, tensorsOf, within } from "./efficient.js";
import { goldenSets } from "./where.js";

const all = goldenSets("reformer");
const lsh = all.filter((c) => c.about.kind === "ReformerLSHSelfAttention");
const local = all.filter((c) => c.about.kind === "ReformerLocalSelfAttention");

test("there are Reformer goldens to compare with", () => expect(lsh.length * local.length).toBeGreaterThan(0));

describe.each([...lsh, ...local])("$id", (c) => {
  const t = tensorsOf(c);
  const hashing = c.about.kind === "ReformerLSHSelfAttention";
  const { num_heads: heads, seq_len: L } = c.about;
  const mask = t.has("attention_mask") ? t("attention_mask") : undefined;
  const part = (name: string) => project(t("hidden_states"), t(`param.${name}.weight`), undefined, heads);
  const options: ReformerOptions = {
    hashing,
    chunkLength: c.about.chunk_length,
    chunksBefore: c.about.num_chunks_before,
    chunksAfter: c.about.num_chunks_after,
    causal: c.about.causal,
    ...(hashing && { buckets: c.about.num_buckets, rounds: c.about.num_hashes }),
    ...(t.has("random_rotations") && { rotations: t("random_rotations") }),
    ...(mask && { keyPadding: mask }),
  };
  const run = (values?: Tensor) => {
    const q = part(hashing ? "query_key" : "query");
    return reformer(q, hashing ? q : part("key"), values ?? part("value"), options);
  };
  // A padded query that sees padding only: Hugging Face lets it see itself, here padding is absent and the row is zeros.
  const padded = (b: number, i: number) => mask?.data[b * L + i] === 0;

  test("output", () =>
    withOperations(referenceKernel(), () => within(merged(run()), t("out"), c, "out", ([b, i]) => padded(b!, i!))));
  if (t.has("attn_dense")) {
    test("the map of every head, with the identity as values", () =>
      withOperations(referenceKernel(), () => {
        within(run(identity(2, heads, L)), t("attn_dense"), c, "attn_dense", ([b, , i]) => padded(b!, i!));
      }));
  }
  if (t.has("buckets")) {
    test("bucket of every position in every round", () =>
      withOperations(referenceKernel(), () => {
        const factors: number[] = [c.about.num_buckets].flat();
        const perRound = factors.reduce((n, f) => n * f, 1);
        const got = lshBuckets(part("query_key"), { factors, rounds: c.about.num_hashes, rotations: t("random_rotations") });
        const want = t("buckets").data; // [B, H, rounds, L] or flat, numbered on from round to round
        const pads = mask ? 1 : 0;
        for (const [n, bucket] of got.entries()) {
          const [round, b] = [Math.floor(n / L) % c.about.num_hashes, Math.floor(n / (L * heads * c.about.num_hashes))];
          if (padded(b, n % L)) continue;
          expect(want[n]).toBe(bucket + round * (perRound + pads));
        }
      }));
  }
});
