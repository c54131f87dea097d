/** @file Softmax runs along another axis than the keys. */
import { baseOutcome } from "../probe/named.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

const id = "softmax-axis";

export const softmaxAxis = rule({
  id,
  says: "Softmax runs along another axis than the keys.",
  why: "The weights of a query no longer sum to one; with a causal mask, earlier outputs even depend on later queries.",
  severity: "error",
  fix: "Normalise each row over its keys, the last axis of [B, H, Lq, Lk]: softmax(scores, dim = −1)",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1; seen in labmlai#146, PyTorch-NLP#2, fastNLP#254",
  wrong: "weights = softmax(scores, { axis: 2 }); // [B, H, Lq, Lk]: over the queries",
  right: "weights = softmax(scores, { axis: -1 }); // over the keys",
  mustCatch: ["queries", "heads", "batch", "whole map"],
  mustPass: ["from the last key to the first, async", "nested arrays in and out"],
  explains: ["future-leak", "batch-dependence"],
  base: [
    { rule: id, says: "takes the softmax over the queries: columns sum to one, rows do not", softmax: "queries" },
    { rule: id, says: "takes the softmax over the heads", softmax: "heads" },
    { rule: id, says: "takes the softmax over the batch", softmax: "batch" },
    { rule: id, says: "takes one softmax over the whole map of queries and keys", softmax: "map" },
  ],
  probe: (lab) => baseOutcome(lab, id),
  probeModule: (lab) => moduleOutcome(lab, "softmax-axis"),
});
