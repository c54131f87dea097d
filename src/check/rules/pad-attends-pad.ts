/** @file Padding attends to padding, because masks are compared for equality. */
import { rightPairs } from "../probe/masking.js";
import { pathOutcome } from "../probe/named.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

const id = "pad-attends-pad";

export const padAttendsPad = rule({
  id,
  says: "Padding attends to padding: the masks of query and key are compared for equality.",
  why: "Real tokens are right, so it goes unnoticed until the padded positions are pooled, scored or trained on.",
  severity: "error",
  fix: "A key is visible when keyPadding[key] is 1, whatever the query is: test the key, not equality with the query",
  reference: "Hugging Face attention_mask; seen in Biohub/esm#299",
  wrong: "const visible = pad[i] === pad[j];",
  right: "const visible = pad[j] === 1;",
  mustCatch: [
    "bits compared, loops",
    "bits compared, float32 loops",
    "bits compared, whole maps",
    "bits compared, flattened batch",
    "bits compared, online softmax",
    "model: bits compared",
    "model: in a decoder",
  ],
  mustPass: ["rows of padding are zeros", "float32 loops", "model: encoder, empty rows uniform"],
  explains: ["NaN-through-mask"],
  pairs: [
    {
      rule: id,
      says: "a key is visible when its padding bit equals the query's, so padding attends to padding",
      paths: ["keyPadding", "mask of keys"],
      pairs: (p) => {
        const right = rightPairs(p);
        return (b, h, i, j) => right(b, h, 0, i) === right(b, h, 0, j);
      },
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: (lab) => paddingOutcome(lab, "pad-attends-pad"),
});
