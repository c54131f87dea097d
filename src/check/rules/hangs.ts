/** @file The candidate does not come back. */
import { base } from "../probe/base.js";
import { callText } from "../probe/evidence.js";
import { pathNames, pathProblem } from "../probe/masking.js";
import { shapeOf } from "../probe/problem.js";
import { rule } from "../rule.js";

export const hangs = rule({
  id: "hangs",
  says: "A call does not come back within its time limit, or takes its process down.",
  why: "An endless loop on a shape or option nobody tried, or a crash in native code.",
  severity: "error",
  fix: "Look at the shape and the options of the call below; loops should run over Lq, Lk and D of the tensors given",
  reference: "the checker's manual, docs/check/README.md",
  wrong: "for (let j = 0; j !== window; j += step) { … }",
  right: "for (let j = 0; j < Lk; j++) { … }",
  mustCatch: ["never resolves", "never resolves with causal", "never resolves with padding"],
  mustPass: ["online softmax in tiles, async", "refuses options it does not know"],
  explains: ["throws", "wrong-output"],
  probe: async (lab) => {
    await base(lab);
    // Every option that is expected, once, whatever else is wrong.
    for (const path of pathNames)
      await lab.ask(pathProblem(path, lab.fit(shapeOf({ B: 2, H: 2, Lk: 3, D: 5 })), lab.seed));
    const first = lab.stuck[0];
    if (!first) return "clear";
    return {
      message:
        first.kind === "hangs"
          ? `A call hangs: ${first.message}.`
          : `A call takes the candidate's process down: ${first.message}.`,
      evidence: callText(first.problem, lab),
    };
  },
  probeModel: async (lab) => {
    await lab.ask([lab.ids(5, 21)]);
    const first = lab.stuck[0];
    if (!first) return "clear";
    return {
      message:
        first.kind === "hangs"
          ? `A call hangs: ${first.message}.`
          : `A call takes the model's process down: ${first.message}.`,
      evidence: first.says,
    };
  },
});
