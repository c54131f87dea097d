/** @file 1 is taken for "ignore". */
import { rightPairs } from "../probe/masking.js";
import { pathOutcome } from "../probe/named.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

const id = "mask-inverted";

export const maskInverted = rule({
  id,
  says: "The mask is read the wrong way round: what should be seen is hidden and the other way about.",
  why: "PyTorch alone has both meanings (True attends in scaled_dot_product_attention, True hides in MultiheadAttention). With a padding mask the model sees nothing but padding.",
  severity: "error",
  fix: "1 means may attend: hide where the mask is 0, or negate a mask whose 1 means padding once, where it enters",
  reference:
    "notes of PyTorch SDPA (attn_mask: True takes part); seen in rasbt/LLMs-from-scratch#1061, pytorch#170415, #118972",
  wrong: "if (mask[i][j]) score = -Infinity;",
  right: "if (!mask[i][j]) score = -Infinity;",
  mustCatch: [
    "1 hides, loops",
    "1 hides, float32 loops",
    "1 hides, whole maps",
    "1 hides, flattened batch",
    "1 hides, online softmax",
    "only keyPadding inverted",
    "only mask inverted",
    "model: encoder hides real tokens",
    "model: decoder hides real tokens",
  ],
  mustPass: ["whole maps", "rows of padding are zeros", "model: encoder", "model: decoder, rotary, with a cache"],
  explains: [
    "pad-attends-pad",
    "padding-leak",
    "NaN-through-mask",
    "dead-row-NaN",
    "dead-row-uniform",
    "causal-dropped-on-a-path",
    "pad-in-pooling",
    "left-pad-positions",
  ],
  pairs: [
    {
      rule: id,
      says: "pairs with 1 are hidden and pairs with 0 attend",
      paths: ["mask", "mask per item", "mask of keys", "mask for all", "keyPadding"],
      pairs: (p) => {
        const right = rightPairs(p);
        return (b, h, i, j) => !right(b, h, i, j);
      },
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: (lab) => paddingOutcome(lab, "mask-inverted"),
});
