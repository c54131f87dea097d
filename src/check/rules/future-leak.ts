/** @file A later token changes an earlier output. */
import { pathOutcome } from "../probe/named.js";
import { mapOutcome } from "../probe/model-maps.js";
import { crossFacts } from "../probe/model-cross.js";
import { notTested, rule } from "../rule.js";

const id = "future-leak";

export const futureLeak = rule({
  id,
  says: "A later token changes an earlier output.",
  why: "A language model that sees the answer learns to copy it: the training loss is wonderful and generation is nonsense.",
  severity: "error",
  fix: "With causal: true set scores with key > query to −Infinity before the softmax",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3",
  wrong: "weights = softmax(scores);",
  right: "weights = softmax(where(key <= query, scores, -Infinity));",
  mustCatch: [
    "no causal, loops",
    "no causal, whole maps",
    "no causal, flattened batch",
    "model: a causal model without a mask",
    "model: hidden states",
    "model: the decoder beside an encoder",
  ],
  mustPass: [
    "whole maps",
    "from the last key to the first, async",
    "model: decoder, rotary counted from the row",
    "model: encoder–decoder, T5 bias, with a cache",
  ],
  explains: [
    "causal-alignment",
    "cache-prefill-not-causal",
    "causal-dropped-on-a-path",
    "cache-history-masked",
    "NaN-through-mask",
  ],
  pairs: [
    {
      rule: id,
      says: "with causal: true nothing is hidden: every query sees the future",
      paths: ["causal"],
      pairs: () => () => true,
      hidesNothing: true,
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: async (lab) => {
    if (lab.config.causal) return mapOutcome(lab, "future-leak");
    const cross = await crossFacts(lab);
    return "reason" in cross ? notTested("the model is not causal") : (cross.future ?? "clear");
  },
});
