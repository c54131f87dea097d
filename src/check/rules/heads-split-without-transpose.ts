/** @file Heads are split by a reshape alone. */
import {
  headsAreTheSequence,
  headsInOneSequence,
  readTransposed,
  throughoutTransposed,
  signsOfMixedTokens,
} from "../probe/layout.js";
import { baseOutcome } from "../probe/named.js";
import { mapOutcome } from "../probe/model-maps.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

const id = "heads-split-without-transpose";

export const headsSplitWithoutTranspose = rule({
  id,
  says: "Heads are split by a reshape without a transpose: numbers of one token land in another.",
  why: "A reshape does not move numbers. Read in the wrong order a head mixes pieces of several tokens, training still runs, and the model is worse for no visible reason.",
  severity: "error",
  fix: "From [B, L, H·D]: reshape to [B, L, H, D], then transpose to [B, H, L, D]; a [B, H, L, D] tensor is read at ((b·H + h)·L + i)·D + d",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.2; seen in reczoo/FuxiCTR#30, hyunwoongko/transformer#15",
  wrong: "q = x.reshape([B, H, L, D]); // from [B, L, H·D]",
  right: "q = x.reshape([B, L, H, D]).transpose(1, 2);",
  mustCatch: [
    "reads all as [B, L, H, D]",
    "reads k so",
    "reads and writes so",
    "attends over heads",
    "module: split by reshape",
    "module: split and merged",
    "model: reshaped",
    "model: causal, one layer",
  ],
  mustPass: ["merged output [B, L, H·D]", "transposed keys, chunks of queries", "module: [out, in]", "model: encoder"],
  explains: signsOfMixedTokens,
  base: [
    {
      rule: id,
      says: "reads q, k and v as if they lay as [B, L, H, D]",
      layout: readTransposed({ q: true, k: true, v: true }),
    },
    {
      rule: id,
      says: "reads q, k and v and writes the output as if they lay as [B, L, H, D]",
      layout: throughoutTransposed,
    },
    {
      rule: id,
      says: "attends along axis 1: it takes [B, L, H, D] where [B, H, L, D] is given",
      layout: headsAreTheSequence,
    },
    { rule: id, says: "attends over all heads as one sequence of H·L", layout: headsInOneSequence },
    { rule: id, says: "reads q as if it lay as [B, L, H, D]", layout: readTransposed({ q: true }) },
    { rule: id, says: "reads k as if it lay as [B, L, H, D]", layout: readTransposed({ k: true }) },
    { rule: id, says: "reads v as if it lay as [B, L, H, D]", layout: readTransposed({ v: true }) },
    { rule: id, says: "reads q and k as if they lay as [B, L, H, D]", layout: readTransposed({ q: true, k: true }) },
    { rule: id, says: "reads k and v as if they lay as [B, L, H, D]", layout: readTransposed({ k: true, v: true }) },
    { rule: id, says: "reads q and v as if they lay as [B, L, H, D]", layout: readTransposed({ q: true, v: true }) },
  ],
  probe: (lab) => baseOutcome(lab, id),
  probeModel: (lab) => mapOutcome(lab, "heads-split-without-transpose"),
  probeModule: (lab) => moduleOutcome(lab, "heads-split-without-transpose"),
});
