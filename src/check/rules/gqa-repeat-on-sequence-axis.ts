/** @file Grouped keys are repeated along the sequence. */
import { showMaps } from "../probe/evidence.js";
import { groups } from "../probe/groups.js";
import { notTested, rule } from "../rule.js";

export const gqaRepeatOnSequenceAxis = rule({
  id: "gqa-repeat-on-sequence-axis",
  says: "Grouped keys are repeated along the sequence instead of the heads.",
  why: "After the reshape every head sees a few keys several times and the others never.",
  severity: "error",
  fix: "Repeat on the axis of heads, 1 of [B, Hk, L, D], before any reshape",
  reference: "Ainslie et al. 2023 (arXiv:2305.13245); seen in PrimeIntellect-ai/prime-rl#2681",
  wrong: "k = repeatInterleave(k, H / Hk, { axis: 2 }).reshape([B, H, L, D]);",
  right: "k = repeatInterleave(k, H / Hk, { axis: 1 });",
  mustCatch: [
    "each key several times, loops",
    "each key several times, whole maps",
    "each key several times, flattened batch",
  ],
  mustPass: ["key heads repeated", "whole maps"],
  picture: { expected: "■ ■ ■ ■\n■ ■ ■ ■\n■ ■ ■ ■\n■ ■ ■ ■", found: "■ ■ · ·\n■ ■ · ·\n■ ■ · ·\n■ ■ · ·" },
  probe: async (lab) => {
    const g = await groups(lab);
    if (g.status === "not tested") return notTested(g.reason);
    if (g.status !== "keys") return "clear";
    const shown = showMaps(g.problem, g.expected, g.weights, lab);
    return {
      message: `With ${g.problem.H} query heads and ${g.problem.Hk} key heads some keys are invisible though nothing is masked.`,
      evidence: shown.evidence,
      probe: shown.probe,
    };
  },
});
