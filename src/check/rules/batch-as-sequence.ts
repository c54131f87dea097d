/** @file Batch and sequence are taken for each other. */
import { batchInOneSequence, batchIsTheSequence, everythingInOneSequence } from "../probe/layout.js";
import { baseOutcome } from "../probe/named.js";
import { mixing } from "../probe/model-batch.js";
import { rule } from "../rule.js";

const id = "batch-as-sequence";

export const batchAsSequence = rule({
  id,
  says: "Items of a batch attend to each other.",
  why: "The classic batch_first mistake: what one request gets depends on who else is in the batch, and within a sequence nothing attends at all.",
  severity: "error",
  fix: "Attend within [Lq, Lk] of one batch item; in PyTorch pass batch_first=True or give [L, B, D]",
  reference: "PyTorch nn.MultiheadAttention, argument batch_first; seen in DaoyuanLi2816/Molecule-Generator#22",
  wrong: "attention over axis 0 of [B, L, D]",
  right: "attention over axis 1 of [B, L, D]",
  mustCatch: ["along the batch", "batch in one sequence", "everything in one sequence", "model: items see each other"],
  mustPass: ["flattened batch, bare numbers", "merged output [B, L, H·D]", "model: mean of real tokens"],
  explains: [
    "batch-dependence",
    "mask-head-order",
    "padding-leak",
    "left-pad-positions",
    "pad-in-pooling",
    "future-leak",
    "documents-leak-in-pack",
  ],
  base: [
    { rule: id, says: "attends along the batch: axis 0 is taken for the sequence", layout: batchIsTheSequence },
    {
      rule: id,
      says: "flattens the batch into one sequence, so items attend to each other",
      layout: batchInOneSequence,
    },
    { rule: id, says: "flattens batch, heads and sequence into one sequence", layout: everythingInOneSequence },
  ],
  probe: (lab) => baseOutcome(lab, id),
  probeModel: (lab) => mixing(lab),
});
