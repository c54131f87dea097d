/** @file The scores are divided by √(H·D). */
import { baseOutcome } from "../probe/named.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

export const scaleDModel = rule({
  id: "scale-d_model",
  says: "The scores are scaled by the width of the model, 1/√(H·D), instead of that of a head.",
  why: "With H heads the scores come out √H times too small: attention is too flat, more so the more heads there are.",
  severity: "error",
  fix: "Take D from the tensor that is multiplied, q.shape.at(-1) after the split into heads, not from the model's config",
  reference:
    "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1: d_k is the size of a head; seen in coreylowman/dfdx#171, ViT-CIFAR#11",
  wrong: "const scale = 1 / Math.sqrt(dModel);",
  right: "const scale = 1 / Math.sqrt(dModel / heads);",
  mustCatch: [
    "√(H·D), loops",
    "√(H·D), float32 loops",
    "√(H·D), whole maps",
    "√(H·D), flattened batch",
    "√(H·D), online softmax",
    "module: √dModel",
  ],
  mustPass: ["float16, scale folded into q", "key heads repeated"],
  base: [
    { rule: "scale-d_model", says: "divides q·k by √(H·D) instead of √D", scale: (s) => 1 / Math.sqrt(s.H * s.D) },
  ],
  probe: (lab) => baseOutcome(lab, "scale-d_model"),
  probeModule: (lab) => moduleOutcome(lab, "scale-d_model"),
});
