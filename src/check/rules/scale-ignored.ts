/** @file The option `scale` makes no difference. */
import { givenScale } from "../probe/scale.js";
import { rule } from "../rule.js";

export const scaleIgnored = rule({
  id: "scale-ignored",
  says: "The option `scale` is not used.",
  why: "Models that scale otherwise (T5 by 1, Gemma and Granite by a constant) come out wrong without a word.",
  severity: "error",
  fix: "Use options.scale where it is given: const scale = options.scale ?? 1 / Math.sqrt(D)",
  reference:
    "PyTorch scaled_dot_product_attention, argument scale; Raffel et al. 2020 (arXiv:1910.10683): T5 folds the scale into its weights",
  wrong: "function attention(q, k, v, { causal }) { const scale = 1 / Math.sqrt(D); … }",
  right: "function attention(q, k, v, { causal, scale = 1 / Math.sqrt(D) }) { … }",
  mustCatch: ["1/√D always, loops", "1/√D always, whole maps", "1/√D always, flattened batch"],
  mustPass: ["base 2, log₂e folded into the scale", "float16, scale folded into q"],
  probe: async (lab) => (await givenScale(lab, "scale-ignored")) ?? "clear",
});
