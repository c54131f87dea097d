/** @file Padding is attended to. */
import { pathOutcome } from "../probe/named.js";
import { crossFacts } from "../probe/model-cross.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

const id = "padding-leak";

export const paddingLeak = rule({
  id,
  says: "Padding changes the output of real tokens.",
  why: "What a text gives depends on how long its neighbours in the batch are.",
  severity: "error",
  fix: "Hide padded keys from every query: scores of keys with keyPadding 0 become −Infinity before the softmax",
  reference: "Hugging Face attention_mask",
  wrong: "attention(q, k, v); // the padding of the batch is not passed on",
  right: "attention(q, k, v, { keyPadding });",
  mustCatch: [
    "no padding, loops",
    "no padding, whole maps",
    "no padding, flattened batch",
    "counted as a length",
    "model: encoder without a mask",
    "model: decoder without a mask",
    "model: multiplied",
    "model: no mask in the cross-attention",
  ],
  mustPass: [
    "flattened batch, bare numbers",
    "rows of padding are zeros",
    "model: mean of real tokens",
    "model: encoder–decoder, learned positions, async",
  ],
  explains: ["NaN-through-mask", "left-pad-positions", "pad-in-pooling"],
  pairs: [
    {
      rule: id,
      says: "keyPadding makes no difference: padding is attended to",
      paths: ["keyPadding"],
      pairs: () => () => true,
      hidesNothing: true,
    },
    {
      rule: id,
      says: "keyPadding is counted and the first keys are taken for the real ones: padding on the left or inside is attended to",
      paths: ["keyPadding"],
      pairs: (p) => {
        const count = (b: number) => p.keyPadding!.subarray(b * p.Lk, (b + 1) * p.Lk).reduce((a, x) => a + x, 0);
        return (b, _h, _i, j) => j < count(b);
      },
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: async (lab) => {
    const own = await paddingOutcome(lab, id);
    if (typeof own === "object" && "message" in own) return own;
    const cross = await crossFacts(lab);
    return "reason" in cross ? own : (cross.leak ?? own);
  },
});
