/** @file The output is not attention, and no simulated mistake explains it. */
import { base } from "../probe/base.js";
import { finite, furthest } from "../probe/compare.js";
import { callText, showMaps, shrink } from "../probe/evidence.js";
import { pathNames, pathSays, pathVerdict } from "../probe/masking.js";
import { shrinkPath } from "../probe/named.js";
import { problem, shapeOf } from "../probe/problem.js";
import { simulate } from "../probe/simulate.js";
import { number } from "../report/picture.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { notTested, rule } from "../rule.js";

export const wrongOutput = rule({
  id: "wrong-output",
  says: "The output is not that of attention, and none of the known mistakes explains it.",
  why: "Something is wrong that has no name here, or several things at once.",
  severity: "error",
  fix: "Compare with softmax(q·kᵀ/√D)·v on the small call below, step by step: scores, weights, row sums, output",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1",
  wrong: "",
  right: "",
  mustCatch: [
    "a term too much",
    "breaks beyond 64 keys",
    "one too many in the denominator",
    "one dimension of the keys counts more, async",
    "keys reshaped for a transpose, flattened",
  ],
  mustPass: ["bfloat16 at every step", "nested arrays of float32"],
  probe: async (lab) => {
    const known = await base(lab);
    if (known.status === "fails") return notTested("the function gave no output to look at");
    if (known.status === "unexplained") return unexplained();
    for (const path of pathNames) {
      const v = await pathVerdict(lab, path);
      if (v.status !== "unexplained") continue;
      const shown = await shrinkPath(lab, path);
      return {
        message: `With ${pathSays[path]} the weights are not those of attention with these pairs hidden.`,
        evidence: shown?.evidence ?? callText(v.problem, lab),
        ...(shown ? { probe: shown.probe } : {}),
      };
    }
    return known.mistakes.length === 0 ? longer() : "clear";

    async function unexplained() {
      const answer = known.answer.ok ? known.answer.output : new Float64Array();
      const want = simulate(known.problem, known.recipe(known.problem)).output;
      const { at, by } = furthest(answer, want);
      const shown = await shrink(
        lab,
        (s) => problem(s, lab.seed),
        (p) => ({ scale: lab.meantScale(p.D) }),
        known.tolerance,
      );
      return {
        message: finite(answer)
          ? `The output is off by up to ${number(by)} and no known mistake explains it.`
          : "The output of a plain call holds NaN or Infinity.",
        evidence:
          `${callText(known.problem, lab)}: number ${at} of the output is ${number(answer[at]!)}, expected ${number(want[at]!)}\n${shown?.evidence ?? ""}`.trim(),
        ...(shown ? { probe: shown.probe } : {}),
      };
    }

    /** Other lengths than the small ones: tiles, remainders, a head size that is no multiple of four. */
    async function longer() {
      const shapes = [
        shapeOf({ B: 1, H: 1, Lq: 3, Lk: 5, D: 7 }),
        shapeOf({ B: 1, H: 1, Lq: 7, Lk: 2, D: 3 }),
        shapeOf({ B: 2, H: 2, Lk: 1, D: 4 }),
        shapeOf({ B: 1, H: 2, Lk: 67, D: 4 }),
        shapeOf({ B: 1, H: 1, Lk: 131, D: 4 }),
      ];
      for (const shape of shapes) {
        const p = problem(lab.fit(shape), lab.seed + 9);
        const answer = await lab.ask(p);
        const cross = p.Lq !== p.Lk;
        if (!answer.ok) {
          if (cross) continue; // self-attention only: not asked of everybody
          return { message: `A call with ${p.Lk} keys fails: ${answer.message}.`, evidence: callText(p, lab) };
        }
        if (cross && !finite(answer.output)) continue;
        const want = simulate(p, known.recipe(p));
        const { at, by } = furthest(answer.output, want.output);
        if (by <= 20 * known.tolerance) continue;
        const got = p.Lk <= 8 ? await lab.weights(p) : undefined;
        return {
          message: `The output is wrong at Lq = ${p.Lq}, Lk = ${p.Lk}, D = ${p.D}, though right on small square problems.`,
          evidence: `${callText(p, lab)}: number ${at} of the output is ${number(answer.output[at]!)}, expected ${number(want.output[at]!)}${got?.ok ? `\n${showMaps(p, want.weights, got.weights, lab).evidence}` : ""}`,
        };
      }
      return "clear" as const;
    }
  },
  probeModule: (lab) => moduleOutcome(lab, "wrong-output"),
});
