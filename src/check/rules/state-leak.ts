/** @file A call leaves something behind. */
import { callText } from "../probe/evidence.js";
import { pathNames, pathVerdict } from "../probe/masking.js";
import { memoryOfModel } from "../probe/model-repeat.js";
import { repeats } from "../probe/repeat.js";
import { number } from "../report/picture.js";
import { notTested, rule } from "../rule.js";

export const stateLeak = rule({
  id: "state-leak",
  aliases: ["input-mutated"],
  says: "A call leaves something behind: it changes its inputs, earlier results or later calls.",
  why: "A cache at the level of the class or module, scaling q in place, one output buffer for all calls: results depend on what was asked before.",
  severity: "error",
  fix: "Keep what belongs to a call inside it: a new output each time, copies where numbers are changed, caches passed in and out",
  reference: "seen in mlx#3071 (a cache of the class)",
  wrong: "for (let n = 0; n < q.data.length; n++) q.data[n] *= scale;",
  right: "const scaled = q.data.map((x) => x * scale);",
  mustCatch: ["scales q in place", "remembers keys", "one buffer", "writes the mask", "model: remembers"],
  mustPass: ["softmax in log space, Float64Array", "whole maps", "model: learned positions with a cache"],
  explains: ["*"],
  probe: async (lab) => {
    const r = await repeats(lab);
    for (const path of pathNames) await pathVerdict(lab, path); // masks are inputs too
    if (typeof r === "string") return notTested(r);
    const [written] = lab.mutated;
    if (written)
      return {
        message: `The function writes into its input ${[...lab.mutated.keys()].join(", ")}.`,
        evidence: `${callText(written[1], lab)}: after the call ${written[0]} holds other numbers than before`,
      };
    const noise = r.random || r.dropped !== undefined;
    if (!noise && (r.spread > 0 || r.afterOther > 0))
      return {
        message: `The same call gives another output after ${r.spread > 0 ? "itself" : "another call"}: a call leaves something behind.`,
        evidence: `${callText(r.problem, lab)}: outputs differ by ${number(Math.max(r.spread, r.afterOther))}`,
      };
    if (lab.overwritten || lab.candidate.overwrote)
      return {
        severity: "warning",
        message: "The output of a call is overwritten by the next one: one buffer serves all calls.",
        evidence: `${callText(r.problem, lab)}: the numbers of the first result changed when the function was called again`,
      };
    return "clear";
  },
  probeModel: (lab) => memoryOfModel(lab),
});
