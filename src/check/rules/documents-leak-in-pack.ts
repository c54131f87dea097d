/** @file Documents packed in one row see each other. */
import { base } from "../probe/base.js";
import { distance } from "../probe/compare.js";
import { showMaps } from "../probe/evidence.js";
import { unsound } from "../probe/named.js";
import { withOption } from "../probe/options.js";
import { packFacts } from "../probe/model-pack.js";
import { allowedPairs, type Problem, problem, shapeOf } from "../probe/problem.js";
import { simulate } from "../probe/simulate.js";
import { notTested, rule } from "../rule.js";

const id = "documents-leak-in-pack";

export const documentsLeakInPack = rule({
  id,
  says: "Documents packed into one row see each other, or count their positions on.",
  why: "A second document conditioned on the first learns what is not there. Restarting the positions alone does not separate them, and separating them alone does not restart the positions.",
  severity: "error",
  fix: "A pair may attend only within its document (block-diagonal mask), and positions restart at 0 in each",
  reference: "Krell et al. 2021 (arXiv:2107.02027) §3.2; seen in nanoVLM#204, axolotl#3796",
  wrong: "positions = ids.map((_, t) => t - start[document[t]]); // and no mask",
  right: "const visible = document[i] === document[j] && j <= i;",
  mustCatch: [
    "sees earlier documents",
    "separates only neighbours",
    "only document 0 apart",
    "model: no mask",
    "model: positions count on",
  ],
  mustPass: ["with documents", "model: packed"],
  picture: {
    expected: "■ · · · ·\n■ ■ · · ·\n· · ■ · ·\n· · ■ ■ ·\n· · ■ ■ ■",
    found: "■ · · · ·\n■ ■ · · ·\n■ ■ ■ · ·\n■ ■ ■ ■ ·\n■ ■ ■ ■ ■",
  },
  probe: async (lab) => {
    const known = await base(lab);
    const documents = [0, 0, 0, 1, 1, 2];
    const shape = lab.fit(shapeOf({ B: 2, H: 2, Lk: 6, D: 7 }));
    const tensor = {
      data: Int32Array.from([...Array(shape.B)].flatMap(() => documents)),
      shape: [shape.B, 6],
      dims: [shape.B, 6],
    };
    let reason = "";
    for (const causal of [false, true]) {
      if (causal && (await unsound(lab, "causal"))) continue; // another rule's finding
      const p: Problem = { ...problem(shape, lab.seed), ...(causal ? { causal } : {}) };
      const got = await withOption(lab, p, { documentIds: tensor });
      if (typeof got === "string") {
        reason ||= got;
        continue;
      }
      reason = "-";
      const pairs = allowedPairs(p);
      const want = simulate(p, {
        ...known.recipe(p),
        maskings: [
          { pairs: (b, h, i, j) => pairs(b, h, i, j) && documents[i] === documents[j], mechanism: { kind: "absent" } },
        ],
      });
      const leaks = got.weights.some((w, n) => want.weights[n] === 0 && w !== 0);
      if (!leaks && distance(got.weights, want.weights) <= known.tolerance) continue;
      const shown = showMaps({ ...p, extra: { documentIds: tensor } }, want.weights, got.weights, lab);
      return {
        message: leaks
          ? "With documentIds tokens still see other documents."
          : "With documentIds tokens do not see all of their own document.",
        evidence: shown.evidence,
        probe: shown.probe,
      };
    }
    return reason === "-" ? "clear" : notTested(reason);
  },
  probeModel: (lab) => packFacts(lab),
});
