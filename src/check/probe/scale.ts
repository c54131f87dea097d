/** @file What a given scale does, and a scale that follows no known law. */
import { number } from "../report/picture.js";
import { type Found, notTested, type Outcome } from "../rule.js";
import { base } from "./base.js";
import { finite } from "./compare.js";
import { showMaps } from "./evidence.js";
import type { Lab } from "./lab.js";
import { type Problem, problem, shapeOf } from "./problem.js";
import { fittedScale } from "./fitted-scale.js";
import { simulate } from "./simulate.js";

/** Compares the scale that is used with the one that was given. */
export async function givenScale(lab: Lab, id: "scale-by-heads" | "scale-ignored"): Promise<Outcome | undefined> {
  const verdict = await lab.once("given scale", () => askScale(lab));
  if ("notTested" in verdict) return verdict;
  return verdict.rule === id ? verdict.found : undefined;
}

/** Is a given scale used otherwise than it should be? */
export async function scaleIsWrong(lab: Lab): Promise<boolean> {
  const verdict = await lab.once("given scale", () => askScale(lab));
  return "notTested" in verdict || verdict.rule !== undefined;
}

async function askScale(lab: Lab): Promise<{ notTested: string } | { rule?: string; found: Found }> {
  const known = await base(lab);
  if (
    known.status === "fails" ||
    known.status === "unexplained" ||
    known.mistakes.some((m) => m.layout || m.softmax || m.operands)
  ) {
    return notTested("the output without options is wrong already") as { notTested: string };
  }
  const given = 0.3;
  const p = { ...problem(lab.fit(shapeOf({ B: 1, H: 2, Lk: 3, D: 5 })), lab.seed), scale: given };
  const got = await lab.weights(p);
  if (!got.ok) return notTested(`the function does not take scale: ${got.message}`) as { notTested: string };
  const used = finite(got.weights) ? fittedScale(p, got.weights) : undefined;
  const want = simulate(p, { scale: given });
  const shown = showMaps(p, want.weights, got.weights, lab);
  const near = (x: number) => used !== undefined && Math.abs(used / x - 1) < Math.max(0.01, 3 * known.tolerance);
  if (near(given)) return { found: { message: "", evidence: "" } };
  const plain = known.recipe({ ...p, scale: undefined } as unknown as Problem).scale ?? lab.meantScale(p.D);
  const found = (message: string): Found => ({ message, evidence: shown.evidence, probe: shown.probe });
  if (near(plain))
    return {
      rule: "scale-ignored",
      found: found(`scale: ${given} was given and ${number(plain)} was used, as without the option.`),
    };
  const twice = near(given * lab.meantScale(p.D));
  const inverse = near(1 / given);
  const how = twice
    ? `the given scale and 1/√D are both applied`
    : inverse
      ? `q·k is divided by the given scale instead of multiplied`
      : used === undefined
        ? "no single factor explains the weights"
        : `the factor used is ${number(used)}`;
  return { rule: "scale-by-heads", found: found(`With scale: ${given} ${how}.`) };
}
