/** @file Weights are masked after the softmax. */
import { removedKeys } from "../probe/removed.js";
import { pathOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "mask-after-softmax";

export const maskAfterSoftmax = rule({
  id,
  says: "The mask is applied to the weights after the softmax.",
  why: "Masked keys still take their share of the sum: rows sum to less than one, and a hidden future still changes the past.",
  severity: "error",
  fix: "Mask the scores with −Infinity before the softmax; then masked keys take no part in its sum or its maximum",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3; seen in pytorch-image-models#2236",
  wrong: "weights = softmax(scores) * mask;",
  right: "weights = softmax(where(mask, scores, -Infinity));",
  mustCatch: [
    "weights times mask, loops",
    "weights times mask, float32 loops",
    "weights times mask, whole maps",
    "weights times mask, flattened batch",
    "weights times mask, online softmax",
    "renormalised, whole maps",
    "renormalised, flattened",
    "only keyPadding",
  ],
  mustPass: ["flattened batch, bare numbers", "softmax in log space, Float64Array"],
  explains: ["future-leak", "padding-leak", "NaN-through-mask", "dead-row-NaN", "dead-row-uniform"],
  mechanisms: [
    {
      rule: id,
      says: "weights are set to zero after the softmax, so rows no longer sum to one",
      mechanism: { kind: "after" },
    },
  ],
  probe: async (lab) => {
    const found = await pathOutcome(lab, id);
    return found === "clear" ? removedKeys(lab) : found;
  },
});
