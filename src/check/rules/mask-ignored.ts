/** @file The option `mask` makes no difference. */
import { pathOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "mask-ignored";

export const maskIgnored = rule({
  id,
  says: "The option `mask` makes no difference.",
  why: "Every key is seen, whatever the caller says.",
  severity: "error",
  fix: "Set the scores of pairs whose mask is 0 to −Infinity before the softmax; mask broadcasts to [B, H, Lq, Lk]",
  reference: "PyTorch scaled_dot_product_attention, argument attn_mask",
  wrong: "function attention(q, k, v) { … }",
  right: "function attention(q, k, v, { mask }) { … if (!mask[i][j]) score = -Infinity; … }",
  mustCatch: ["no mask, loops", "no mask, whole maps", "no mask, flattened batch"],
  mustPass: ["whole maps", "refuses options it does not know"],
  explains: ["NaN-through-mask"],
  pairs: [
    {
      rule: id,
      says: "the mask makes no difference: every key is seen",
      paths: ["mask", "mask per item", "mask of keys", "mask for all"],
      pairs: () => () => true,
      hidesNothing: true,
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
});
