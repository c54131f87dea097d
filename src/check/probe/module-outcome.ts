/** @file From a simulated multi-head module to a finding. */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import type { ModuleLab } from "./module-lab.js";

/** Was the module explained by a mistake of this rule? */
export async function moduleOutcome(lab: ModuleLab, id: string): Promise<Outcome> {
  const f = await lab.facts();
  if (f.status === "fails")
    return id === "throws"
      ? { message: `A plain call fails: ${f.message}.`, evidence: "x [2, 5, dModel], options {}" }
      : notTested(f.message ?? "the module gave no output");
  if (f.status === "unexplained")
    return id === "wrong-output"
      ? {
          message:
            "The output is not that of multi-head attention with these weights, and no known mistake explains it.",
          evidence: "x [2, 5, dModel], options {}; projections in either layout were tried",
        }
      : notTested("the output is not explained");
  const m = f.mistakes.find((x) => x.rule === id);
  if (!m) return "clear";
  return {
    message: `The module ${m.says}.`,
    evidence: `Its output for x [2, 5, dModel] equals, to ${number(f.error ?? 0)}, that of a module that ${f.mistakes.map((x) => x.says).join(" and ")}.`,
  };
}
