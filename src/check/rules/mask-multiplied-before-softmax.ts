/** @file Scores are multiplied by the mask. */
import { pathOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "mask-multiplied-before-softmax";

export const maskMultipliedBeforeSoftmax = rule({
  id,
  says: "The scores are multiplied by the mask before the softmax; a zero score is not absence.",
  why: "e⁰ = 1: a masked key keeps a weight, often a large one, and its value flows into the output.",
  severity: "error",
  fix: "Where the mask is 0 set the score to −Infinity before the softmax (or leave the key out of the sums)",
  reference:
    "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3: set to −∞; seen in georg-wolflein/good-features#1, transformers#542",
  wrong: "scores = scores * mask;",
  right: "scores = where(mask, scores, -Infinity);",
  mustCatch: [
    "scores times mask, loops",
    "scores times mask, float32 loops",
    "scores times mask, whole maps",
    "scores times mask, flattened batch",
    "scores times mask, online softmax",
    "only masks multiply",
    "only causal multiplies",
  ],
  mustPass: ["whole maps", "transposed keys, chunks of queries"],
  explains: ["future-leak", "padding-leak", "NaN-through-mask", "dead-row-uniform"],
  mechanisms: [
    {
      rule: id,
      says: "masked scores are set to zero by multiplying with the mask, before the softmax",
      mechanism: { kind: "multiply" },
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
});
