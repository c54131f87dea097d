/** @file The causal frontier is one key off. */
import { pathOutcome } from "../probe/named.js";
import { mapOutcome } from "../probe/model-maps.js";
import { notTested, rule } from "../rule.js";

const id = "causal-off-by-one";

export const causalOffByOne = rule({
  id,
  says: "The causal frontier is one key off: a query sees the next token, or not itself.",
  why: "One key too many is the very token to be predicted: the loss falls to nothing. One too few leaves the first row dead.",
  severity: "error",
  fix: "Query i sees keys 0 … i: hide key > query, so triu(ones, 1) is what to hide and tril(ones, 0) what to keep",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3; seen in pbloem/former#10, RVC-Boss/GPT-SoVITS#965",
  wrong: "if (j > i + 1) score = -Infinity;",
  right: "if (j > i) score = -Infinity;",
  mustCatch: [
    "sees the next, loops",
    "sees the next, whole maps",
    "sees the next, flattened batch",
    "sees the next, online softmax",
    "not itself",
    "not itself, NaN",
    "model: sees the next token",
    "model: one layer",
  ],
  mustPass: [
    "transposed keys, chunks of queries",
    "online softmax in tiles, async",
    "model: decoder, learned positions",
  ],
  explains: [
    "future-leak",
    "dead-row-NaN",
    "dead-row-uniform",
    "causal-alignment",
    "cache-prefill-not-causal",
    "cache-history-masked",
    "causal-dropped-on-a-path",
  ],
  pairs: [
    {
      rule: id,
      says: "query i sees key i + 1, the next token",
      paths: ["causal"],
      pairs: () => (_b, _h, i, j) => j <= i + 1,
    },
    { rule: id, says: "query i does not see key i, itself", paths: ["causal"], pairs: () => (_b, _h, i, j) => j < i },
    { rule: id, says: "query i sees keys to i + 2", paths: ["causal"], pairs: () => (_b, _h, i, j) => j <= i + 2 },
    { rule: id, says: "query i sees keys to i − 2 only", paths: ["causal"], pairs: () => (_b, _h, i, j) => j < i - 1 },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: async (lab) =>
    lab.config.causal ? mapOutcome(lab, "causal-off-by-one") : notTested("the model is not causal"),
});
