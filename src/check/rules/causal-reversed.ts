/** @file The causal triangle is the wrong one. */
import { pathOutcome } from "../probe/named.js";
import { mapOutcome } from "../probe/model-maps.js";
import { notTested, rule } from "../rule.js";

const id = "causal-reversed";

export const causalReversed = rule({
  id,
  aliases: ["triangle-flipped"],
  says: "The causal triangle is the wrong one: the future is seen and the past is hidden.",
  why: "triu and tril, or a mask of what to hide taken for a mask of what to keep. Each token learns from what comes after it.",
  severity: "error",
  fix: "Keep the lower triangle with its diagonal: key ≤ query (tril(ones)), hide the rest",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3; seen in hkproj/pytorch-transformer#19",
  wrong: "keep = triu(ones(L, L));",
  right: "keep = tril(ones(L, L));",
  mustCatch: [
    "key ≥ query, loops",
    "key ≥ query, whole maps",
    "key ≥ query, flattened batch",
    "key ≥ query, online softmax",
    "key > query",
    "mirrored",
    "model: sees only the future",
    "model: strictly",
  ],
  mustPass: ["transposed keys, chunks of queries", "only as many queries as keys", "model: decoder, ALiBi"],
  explains: [
    "future-leak",
    "causal-off-by-one",
    "causal-alignment",
    "cache-prefill-not-causal",
    "causal-dropped-on-a-path",
    "dead-row-NaN",
    "cache-history-masked",
    "NaN-through-mask",
  ],
  pairs: [
    {
      rule: id,
      says: "a query sees itself and the future, and not the past",
      paths: ["causal"],
      pairs: () => (_b, _h, i, j) => j >= i,
    },
    {
      rule: id,
      says: "a query sees only the future, neither itself nor the past",
      paths: ["causal"],
      pairs: () => (_b, _h, i, j) => j > i,
    },
    {
      rule: id,
      says: "the triangle is mirrored: query i sees the first Lk − i keys",
      paths: ["causal"],
      pairs: (p) => (_b, _h, i, j) => i + j < p.Lk,
    },
    {
      rule: id,
      says: "the triangle is mirrored: query i sees the last i + 1 keys",
      paths: ["causal"],
      pairs: (p) => (_b, _h, i, j) => i + j >= p.Lk - 1,
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: async (lab) =>
    lab.config.causal ? mapOutcome(lab, "causal-reversed") : notTested("the model is not causal"),
});
