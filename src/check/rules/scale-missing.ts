/** @file The scores are not divided by √D. */
import { baseOutcome } from "../probe/named.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

export const scaleMissing = rule({
  id: "scale-missing",
  says: "The scores are not scaled by 1/√D.",
  why: "The variance of q·k grows with D; unscaled, softmax saturates: one key takes nearly everything and gradients vanish.",
  severity: "error",
  fix: "Multiply q·k by 1/√D (D = size of one head) before the mask and the softmax; scaling the weights afterwards breaks their sum",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1 and §3.2.1, footnote; seen in delzac/cntkx#10",
  wrong: "const s = dot(q[i], k[j]);",
  right: "const s = dot(q[i], k[j]) / Math.sqrt(D);",
  mustCatch: [
    "no scale, loops",
    "no scale, float32 loops",
    "no scale, whole maps",
    "no scale, flattened batch",
    "no scale, online softmax",
    "scales the weights",
    "nested arrays",
    "module: no scale",
  ],
  mustPass: ["base 2, log₂e folded into the scale", "transposed keys, chunks of queries"],
  base: [
    { rule: "scale-missing", says: "multiplies q·k by 1 instead of 1/√D", scale: () => 1 },
    {
      rule: "scale-missing",
      says: "applies 1/√D to the weights after softmax instead of to the scores",
      scale: () => 1,
      weightFactor: (s) => 1 / Math.sqrt(s.D),
    },
  ],
  probe: (lab) => baseOutcome(lab, "scale-missing"),
  probeModule: (lab) => moduleOutcome(lab, "scale-missing"),
});
