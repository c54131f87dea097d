/** @file Rotary pairs in the wrong places. */
import { paddingOutcome } from "../probe/model-padding.js";
import { ropePartners } from "../probe/rope.js";
import { rule } from "../rule.js";

export const ropeLayout = rule({
  id: "rope-layout",
  says: "Rotary positions turn the wrong pairs of dimensions.",
  why: "Llama turns (i, i + D/2), GPT-J and GLM (2i, 2i + 1). Weights of one with the other's pairs give noise; q by one and k by the other lose the distance.",
  severity: "error",
  fix: "Turn the pairs the checkpoint was trained with, the same for q and k; permute the projections' rows to change over",
  reference: "Su et al. 2021 (arXiv:2104.09864) eq. 34; seen in shainet#111, TinyLlama#24, rasbt/LLMs-from-scratch#802",
  wrong: "turn(x, 2 * i, 2 * i + 1); // weights trained with halves",
  right: "turn(x, i, i + D / 2);",
  mustCatch: ["halves for interleaved", "interleaved for halves", "exchanged", "model: q and k apart"],
  mustPass: [
    "with rotary positions",
    "model: decoder, rotary, with a cache",
    "model: decoder, rotary counted from the row",
  ],
  probe: (lab) => ropePartners(lab),
  probeModel: (lab) => paddingOutcome(lab, "rope-layout"),
});
