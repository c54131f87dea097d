/** @file There is no softmax. */
import { baseOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "softmax-missing";

export const softmaxMissing = rule({
  id,
  says: "The scores are used as weights without a softmax.",
  why: "Weights may be negative and do not sum to one: the output grows with the length and with q·k.",
  severity: "error",
  fix: "weights = softmax(scores) over the keys, then weights · v",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1",
  wrong: "out = matmul(scores, v);",
  right: "out = matmul(softmax(scores, -1), v);",
  mustCatch: ["scores times the mask as weights", "scores as weights"],
  base: [{ rule: id, says: "uses the scores as weights, without a softmax", softmax: "nothing" }],
  probe: (lab) => baseOutcome(lab, id),
});
