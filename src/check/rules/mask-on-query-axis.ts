/** @file The mask is laid along the queries. */
import { rightPairs } from "../probe/masking.js";
import { pathOutcome } from "../probe/named.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

const id = "mask-on-query-axis";

export const maskOnQueryAxis = rule({
  id,
  says: "The mask is laid along the queries instead of the keys.",
  why: "Padding is still attended to by every real token, and the rows of padding come out dead (NaN or uniform).",
  severity: "error",
  fix: "Padding hides keys: [B, Lk] becomes [B, 1, 1, Lk] and is broadcast over the queries, not [B, 1, Lk, 1]",
  reference: "Hugging Face attention_mask; seen in hyunwoongko/transformer#40, keras-io#1254",
  wrong: "scores = where(padding.reshape([B, 1, L, 1]), scores, -Infinity);",
  right: "scores = where(padding.reshape([B, 1, 1, L]), scores, -Infinity);",
  mustCatch: [
    "rows instead of columns, loops",
    "rows instead of columns, whole maps",
    "rows instead of columns, flattened batch",
    "only keyPadding, empty rows uniform",
    "only keyPadding, empty rows NaN",
    "model: encoder masks rows",
    "model: empty rows uniform",
    "model: decoder masks rows",
  ],
  mustPass: ["rows of padding are zeros", "transposed keys, chunks of queries", "model: encoder, empty rows uniform"],
  explains: [
    "padding-leak",
    "dead-row-NaN",
    "dead-row-uniform",
    "NaN-through-mask",
    "left-pad-positions",
    "pad-in-pooling",
  ],
  pairs: [
    {
      rule: id,
      says: "the mask is read transposed, [key][query] instead of [query][key]",
      paths: ["mask", "mask per item", "mask for all"],
      pairs: (p) => {
        const right = rightPairs(p);
        return (b, h, i, j) => right(b, h, j, i);
      },
    },
    {
      rule: id,
      says: "the mask of keys hides queries instead",
      paths: ["mask of keys", "keyPadding"],
      pairs: (p) => {
        const right = rightPairs(p);
        return (b, h, i) => right(b, h, 0, i);
      },
    },
    {
      says: "rows of padding are hidden as well as its columns",
      paths: ["keyPadding", "mask of keys"],
      pairs: (p) => {
        const right = rightPairs(p);
        return (b, h, i, j) => right(b, h, 0, i) && right(b, h, 0, j);
      },
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: (lab) => paddingOutcome(lab, "mask-on-query-axis"),
});
