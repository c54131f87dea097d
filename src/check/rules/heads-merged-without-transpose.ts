/** @file Heads are merged by a reshape alone. */
import { mergedWithoutTranspose, writtenTransposed, signsOfMixedTokens } from "../probe/layout.js";
import { baseOutcome } from "../probe/named.js";
import { mapOutcome } from "../probe/model-maps.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

const id = "heads-merged-without-transpose";

export const headsMergedWithoutTranspose = rule({
  id,
  says: "Heads are merged by a reshape without a transpose: a token's output holds pieces of other tokens'.",
  why: "Everything before is right, so weights look well; the output projection then mixes the wrong tokens. In one published case the training test passed all the same.",
  severity: "error",
  fix: "From [B, H, L, D]: transpose to [B, L, H, D], then reshape to [B, L, H·D]",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.2; seen in jsbaan/transformer-from-scratch#6",
  wrong: "out = heads.reshape([B, L, H * D]); // from [B, H, L, D]",
  right: "out = heads.transpose(1, 2).reshape([B, L, H * D]);",
  mustCatch: [
    "writes [B, L, H, D]",
    "says [B, L, H·D]",
    "bare numbers, flattened",
    "module: merged by reshape",
    "model: reshaped",
    "model: three heads",
  ],
  mustPass: [
    "merged output [B, L, H·D]",
    "flattened batch, bare numbers",
    "module: [in, out], torch's names",
    "model: encoder",
  ],
  explains: signsOfMixedTokens,
  base: [
    {
      rule: id,
      says: "writes its output in the order [B, L, H, D] where [B, H, L, D] is said",
      layout: writtenTransposed,
    },
    { rule: id, says: "gives [B, L, H·D] whose numbers still lie as [B, H, L, D]", layout: mergedWithoutTranspose },
  ],
  probe: (lab) => baseOutcome(lab, id),
  probeModel: (lab) => mapOutcome(lab, "heads-merged-without-transpose"),
  probeModule: (lab) => moduleOutcome(lab, "heads-merged-without-transpose"),
});
