/** @file q, k or v stands in another's place. */
import { baseOutcome } from "../probe/named.js";
import { rule } from "../rule.js";

const id = "operands-exchanged";

export const operandsExchanged = rule({
  id,
  says: "Queries, keys or values stand in each other's places.",
  why: "In self-attention the shapes agree, so nothing complains; the output is a mean of the wrong vectors.",
  severity: "error",
  fix: "scores = q · kᵀ, output = weights · v",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1",
  wrong: "out = matmul(softmax(matmul(k, transpose(q))), v);",
  right: "out = matmul(softmax(matmul(q, transpose(k))), v);",
  mustCatch: ["k·q", "mixes keys", "mixes queries"],
  mustPass: ["transposed keys, chunks of queries", "key heads repeated"],
  base: [
    { rule: id, says: "scores k·qᵀ: the map is transposed before the softmax", operands: "k·q, v" },
    { rule: id, says: "mixes queries instead of values", operands: "q·k, q" },
    { rule: id, says: "mixes keys instead of values", operands: "q·k, k" },
    { rule: id, says: "scores q·vᵀ instead of q·kᵀ", operands: "q·v, v" },
  ],
  probe: (lab) => baseOutcome(lab, id),
});
