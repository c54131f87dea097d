/** @file T5's position bias where it does not belong, or lost in a cache. */
import { cacheFacts } from "../probe/model-cache.js";
import { crossFacts } from "../probe/model-cross.js";
import { notTested, rule } from "../rule.js";

export const t5BiasInCrossAttention = rule({
  id: "t5-bias-in-cross-attention",
  aliases: ["t5-bias-lost-in-cache"],
  says: "T5's relative position bias is added in the cross-attention, or lost with a cache.",
  why: "Distances between a target and a source token mean nothing; and a step of one token computes the bias of row 0 instead of its own.",
  severity: "error",
  fix: "Add the bias to self-attention only, and with a cache take its rows for the positions of the new tokens: bias[:, -Lq:, :]",
  reference: "Raffel et al. 2020 (arXiv:1910.10683) §2.1; seen in transformers#8518, TensorRT-LLM#13870",
  wrong: "scores = q·kᵀ + bias(Lq, Lk); // in every attention",
  right: "scores = isCross ? q·kᵀ : q·kᵀ + bias(past + Lq, Lk).slice(past);",
  mustCatch: [
    "model: wrong rows in a step",
    "model: one bias for every attention",
    "model: a slope by distance, async",
    "model: one head only, learned positions",
    "model: row 0 in a decoder's step",
  ],
  mustPass: [
    "model: encoder–decoder, T5 bias, with a cache",
    "model: encoder–decoder, learned positions, async",
    "model: decoder, T5 bias, with a cache",
  ],
  probeModel: async (lab) => {
    const cross = await crossFacts(lab);
    const facts = await cacheFacts(lab);
    if (!("reason" in cross) && cross.shift) return cross.shift;
    if (!("reason" in facts) && lab.config.positions === "t5") return facts.positions ?? "clear";
    if (!("reason" in cross)) return cross.noShift ? notTested(cross.noShift) : "clear";
    return notTested("the model does not say that it has T5's positions, or has neither a cache nor a decoder");
  },
});
