/** @file Padding is pooled. */
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

export const padInPooling = rule({
  id: "pad-in-pooling",
  aliases: ["cls-at-index-0"],
  says: "The pooled vector counts padding, or is read where padding may stand.",
  why: "The embedding of a text changes with its longest neighbour; with left padding index 0 is no [CLS], with right padding the last index is no last token.",
  severity: "error",
  fix: "mean = Σ mask·h / Σ mask; the first or last token is the first or last one whose mask is 1",
  reference: "sentence-transformers mean pooling; seen in transformers#17463, EmbedAnything#213, BERT-whitening#13",
  wrong: "pooled = mean(hidden, 1);",
  right: "pooled = sum(hidden * mask, 1) / sum(mask, 1);",
  mustCatch: ["model: mean of everything", "model: index 0", "model: last index", "model: sum over the length"],
  mustPass: ["model: mean of real tokens", "model: first real token", "model: last real token"],
  probeModel: (lab) => paddingOutcome(lab, "pad-in-pooling"),
});
