/** @file Where the causal triangle lies when there are more keys than queries. */
import { allowedPairs } from "../probe/problem.js";
import { callText, showMaps } from "../probe/evidence.js";
import { frontiers } from "../probe/frontier.js";
import { simulate } from "../probe/simulate.js";
import { notTested, rule } from "../rule.js";

export const causalAlignment = rule({
  id: "causal-alignment",
  says: "The causal triangle lies at a corner of its own, or at different corners for different shapes.",
  why: "With a cache there are more keys than queries: from the upper left the newest token sees only the oldest keys. Libraries differ, so it is a convention; two corners in one function are a mistake.",
  severity: "warning",
  fix: "Say which corner is meant: query i sees keys to i + Lk − Lq (lower right, what a cache needs), or to i (upper left), for every shape",
  reference:
    "flash-attention ≥ 2.1: lower right; PyTorch is_causal: upper left; seen in pytorch#108108, #103082, mlx#2835, flash-attention#1778",
  wrong: "if (j > i) score = -Infinity; // Lk = 7, Lq = 3: the newest keys are hidden",
  right: "if (j > i + Lk - Lq) score = -Infinity;",
  mustCatch: ["two corners", "offset of the wrong sign", "one off when Lk > Lq"],
  mustPass: ["loops, float64", "transposed keys, chunks of queries"],
  picture: { expected: "■ ■ ■ · ·\n■ ■ ■ ■ ·\n■ ■ ■ ■ ■", found: "■ · · · ·\n■ ■ · · ·\n■ ■ ■ · ·" },
  probe: async (lab) => {
    const f = await frontiers(lab);
    if ("reason" in f) return notTested(f.reason);
    const { decode, chunk, long } = f;
    if (chunk.reach === "fails") return notTested("the function takes only as many queries as keys");
    const odd = [chunk, decode, long].find((x) => x.reach === "other");
    if (odd) {
      const want = simulate(odd.problem, {
        maskings: [{ pairs: allowedPairs(odd.problem), mechanism: { kind: "absent" } }],
      });
      const shown = showMaps(odd.problem, want.weights, odd.weights!, lab, want.dead);
      return {
        severity: "error",
        message: `With ${odd.Lq} queries and ${odd.Lk} keys the frontier lies at neither corner: queries see ${odd.sees.join(", ")} keys.`,
        evidence: shown.evidence,
        probe: shown.probe,
      };
    }
    // Seven queries and three keys look alike from the upper left and unmasked only where nothing is hidden.
    const corners = new Set([chunk, long].map((x) => x.reach).filter((r) => r === "lower-right" || r === "upper-left"));
    if (corners.size > 1)
      return {
        message: `Two corners in one function: ${chunk.reach} with ${chunk.Lk} keys for ${chunk.Lq} queries, ${long.reach} with ${long.Lk} for ${long.Lq}.`,
        evidence: `${callText(chunk.problem, lab)}: queries see ${chunk.sees.join(", ")} keys\n${callText(long.problem, lab)}: queries see ${long.sees.join(", ")} keys`,
      };
    if (chunk.reach === "upper-left" && decode.reach !== "lower-right")
      return {
        severity: "info",
        message:
          "causal lies at the upper left: query i sees keys 0 … i whatever Lk − Lq is. A cache needs the lower right.",
        evidence: `${callText(chunk.problem, lab)}: queries see ${chunk.sees.join(", ")} keys`,
      };
    return "clear";
  },
});
