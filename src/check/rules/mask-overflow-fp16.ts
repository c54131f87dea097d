/** @file A mask constant that half precision cannot hold. */
import { base, isPlain } from "../probe/base.js";
import { liveNaN } from "../probe/constant.js";
import { deadRows } from "../probe/dead.js";
import { callText } from "../probe/evidence.js";
import { pathNames, pathProblem, pathSays, pathVerdict } from "../probe/masking.js";
import { allowedPairs, problem, shapeOf } from "../probe/problem.js";
import { notTested, rule } from "../rule.js";

export const maskOverflowFp16 = rule({
  id: "mask-overflow-fp16",
  says: "The mask's constant overflows in float16.",
  why: "−1e9 is −∞ in float16, (1 − mask)·(−∞) is 0·∞ = NaN where the mask is 1, and two masks of −65504 add up to −∞: rows come out NaN only in half precision.",
  severity: "error",
  fix: "Select instead of adding: where(mask, score, −Infinity) with empty rows set to zero, or −65504 once for all masks together; do softmax in float32",
  reference: "seen in fairseq#3575, apex#1052, lerobot#710",
  wrong: "bias = (1 - mask) * half(-1e9); // 0 · −∞ = NaN",
  right: "score = mask ? score : -Infinity;",
  mustCatch: ["0 · −∞", "lowest float32 in float16", "two masks added up"],
  mustPass: ["float16, scale folded into q"],
  explains: ["dead-row-NaN", "wrong-output", "NaN-through-mask", "mask-constant-wrong", "causal-dropped-on-a-path"],
  picture: { expected: "■ ■ ·\n■ ■ ·\n■ ■ ·", found: "! ! !\n! ! !\n! ! !" },
  probe: async (lab) => {
    const known = await base(lab);
    if (!isPlain(known)) return notTested("the output without a mask is wrong already");
    if (known.tolerance < 1e-3) return notTested(`the function works in ${known.precision}`);
    for (const path of pathNames) {
      const v = await pathVerdict(lab, path);
      if (v.status === "NaN" && (await liveNaN(lab, path)))
        return {
          message: `In ${known.precision} rows that see keys come out NaN with ${pathSays[path]}: the mask's constant overflows.`,
          evidence: `${callText(pathProblem(path, lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D: 2 })), lab.seed), lab)}: NaN; without the mask every number is finite`,
        };
    }
    const shape = lab.fit(shapeOf({ B: 1, H: 1, Lk: 5, D: 4 }));
    const p = { ...problem(shape, lab.seed), causal: true, keyPadding: Uint8Array.from([0, 1, 1, 1, 0]) };
    const both = await lab.ask(p);
    const pairs = allowedPairs(p);
    if (both.ok) {
      const live = Array.from({ length: p.Lq }, (_, i) => i).filter((i) =>
        Array.from({ length: p.Lk }, (_, j) => pairs(0, 0, i, j)).includes(true),
      );
      const bad = live.find((i) => !Array.from(both.output.subarray(i * p.Dv, (i + 1) * p.Dv)).every(Number.isFinite));
      if (bad !== undefined)
        return {
          message: `In ${known.precision} two masks together overflow: query ${bad} sees a key and is NaN.`,
          evidence: callText(p, lab),
        };
    }
    const rows = await deadRows(lab);
    const nan = typeof rows === "string" ? undefined : rows.find((r) => r.kind === "NaN");
    if (nan)
      return {
        message: `In ${known.precision} a query that may attend to nothing gives NaN (${nan.says}): the mask's constant is −∞ there.`,
        evidence: `${callText(nan.problem, lab)}: the row is [${nan.row.join(", ")}]`,
      };
    return "clear";
  },
});
