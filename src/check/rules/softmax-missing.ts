/** @file There is no softmax. */
import { baseOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "softmax-missing";

export const softmaxMissing = rule({
  id,
  says: "The weights are not a softmax of the scores.",
  why: "Without the exponential weights may be negative, without the sum they do not add up to one: the output grows with the length and with q·k.",
  severity: "error",
  fix: "weights = softmax(scores) over the keys, then weights · v",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1",
  wrong: "out = matmul(scores, v);",
  right: "out = matmul(softmax(scores, -1), v);",
  mustCatch: [
    "scores times the mask as weights",
    "scores as weights",
    "shares of the sum",
    "e^score without its sum, loops",
    "sigmoid of each score, async",
  ],
  mustPass: ["softmax in log space, Float64Array", "base 2, log₂e folded into the scale", "bfloat16 at every step"],
  explains: ["dead-row-NaN"],
  base: [
    { rule: id, says: "uses the scores as weights, without a softmax", softmax: "nothing" },
    { rule: id, says: "divides the scores by their sum, without the exponential", softmax: "sum" },
    { rule: id, says: "uses e^score as weights, without dividing by their sum", softmax: "exp" },
    { rule: id, says: "takes a sigmoid of each score in place of a softmax over the keys", softmax: "sigmoid" },
  ],
  probe: (lab) => baseOutcome(lab, id),
});
