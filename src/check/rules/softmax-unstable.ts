/** @file Softmax without the subtraction of the row's largest score. */
import { base, isPlain } from "../probe/base.js";
import { showMaps } from "../probe/evidence.js";
import { largeScores } from "../probe/large.js";
import { notTested, rule } from "../rule.js";

export const softmaxUnstable = rule({
  id: "softmax-unstable",
  says: "Softmax overflows: the row's largest score is not subtracted first.",
  why: "e^89 is beyond float32 and e^710 beyond float64: one confident head and the row is NaN; very negative scores give 0/0.",
  severity: "error",
  fix: "Subtract each row's own largest visible score before exp: e^(s − max) ≤ 1",
  reference: "Milakov & Gimelshein 2018 (arXiv:1805.02867) §2: the safe softmax",
  wrong: "e = scores.map(Math.exp);",
  right: "const max = Math.max(...scores); e = scores.map((s) => Math.exp(s - max));",
  mustCatch: [
    "exp of the scores, loops",
    "exp of the scores, float32 loops",
    "exp of the scores, whole maps",
    "exp of the scores, flattened batch",
    "one shift for all",
    "exponent cut at 50",
  ],
  mustPass: [
    "online softmax in tiles, async",
    "from the last key to the first, async",
    "base 2, log₂e folded into the scale",
  ],
  explains: ["mask-constant-wrong", "mask-after-softmax", "fp16-scores-overflow", "dead-row-NaN", "batch-dependence"],
  picture: { expected: "■ · ·\n■ · ·\n■ · ·", found: "! ! !\n! ! !\n! ! !" },
  probe: async (lab) => {
    const known = await base(lab);
    if (!isPlain(known)) {
      return notTested("the output of small scores is wrong already");
    }
    // Scores of 4e4 carry a rounding of 4e4·2^-24 ≈ 0.002 in float32; these scores are exact, and equal or far apart.
    const slack = known.tolerance < 1e-3 ? 2e-3 : 0.1;
    const bad = (await largeScores(lab)).find((r) => r.error > slack);
    if (!bad) return "clear";
    const shown = showMaps(bad.problem, bad.expected, bad.weights, lab);
    return {
      message: `With ${bad.says} the softmax is not that of its scores: it overflows or loses the row.`,
      evidence: shown.evidence,
      probe: shown.probe,
    };
  },
});
