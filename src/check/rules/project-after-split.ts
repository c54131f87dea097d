/** @file Every head is projected by the same weights. */
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

export const projectAfterSplit = rule({
  id: "project-after-split",
  says: "Heads are split before the projection and share one small weight.",
  why: "Each head then sees only its own slice of the token, through the same matrix: H times fewer parameters and no head can look at the whole.",
  severity: "error",
  fix: "Project x [B, L, dModel] by [dModel, H·D] first, then split into heads: each head has its own columns",
  reference:
    "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.2: W_i^Q per head; seen in MarcoMeter/episodic-transformer-memory-ppo#22",
  wrong: "q = linear(split(x)); // weight [D, D]",
  right: "q = split(linear(x)); // weight [H·D, dModel]",
  mustCatch: [
    "module: projects slices",
    "module: projects slices, [in, out]",
    "module: projects slices, torch's names",
  ],
  mustPass: ["module: [out, in]", "module: [in, out], torch's names"],
  probeModule: (lab) => moduleOutcome(lab, "project-after-split"),
});
