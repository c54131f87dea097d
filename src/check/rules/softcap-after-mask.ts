/** @file A cap on the scores that comes after the mask, or by a wrong formula. */
import { base } from "../probe/base.js";
import { distance } from "../probe/compare.js";
import { showMaps } from "../probe/evidence.js";
import { withOption } from "../probe/options.js";
import { allowedPairs, type Problem, problem, shapeOf } from "../probe/problem.js";
import { simulate } from "../probe/simulate.js";
import { notTested, rule } from "../rule.js";

export const softcapAfterMask = rule({
  id: "softcap-after-mask",
  aliases: ["softcap-wrong-formula", "softcap-dropped"],
  says: "The scores' cap comes after the mask, follows a wrong formula or is dropped on a path.",
  why: "c·tanh(−∞/c) is −c: a capped mask is a finite constant again, and hidden keys come back.",
  severity: "error",
  fix: "s = softcap · tanh(s / softcap) on the scaled score, then the mask, then softmax",
  reference:
    "Gemma 2 (arXiv:2408.00118) §2; ONNX Attention: softcap before the mask; seen in flash-attention#1025, unsloth-zoo#593",
  wrong: "s = mask ? s : -Infinity; s = c * Math.tanh(s / c);",
  right: "s = c * Math.tanh(s / c); s = mask ? s : -Infinity;",
  mustCatch: ["after the mask", "no division", "clipped", "dropped when causal"],
  mustPass: ["with softcap"],
  picture: { expected: "■ · ·\n■ ■ ·\n■ ■ ■", found: "■ ■ ■\n■ ■ ■\n■ ■ ■" },
  probe: async (lab) => {
    const known = await base(lab);
    const plain = problem(lab.fit(shapeOf({ B: 1, H: 2, Lk: 5, D: 7 })), lab.seed);
    const cap = 1;
    const extra = { softcap: cap };
    const capped = (s: number) => cap * Math.tanh(s / cap);
    const open = await withOption(lab, plain, extra);
    const asks: [string, Problem][] = [
      ["without a mask", plain],
      ["with causal", { ...plain, causal: true }],
      [
        "with a mask",
        {
          ...plain,
          mask: {
            shape: [1, 1, plain.Lq, plain.Lk],
            data: Uint8Array.from({ length: plain.Lq * plain.Lk }, (_, n) => (n % plain.Lk === 2 ? 0 : 1)),
          },
        },
      ],
    ];
    let taken = typeof open !== "string";
    for (const [says, p] of asks) {
      const got = says === "without a mask" ? open : await withOption(lab, p, extra);
      if (typeof got === "string") {
        if (!taken || !got.endsWith("take softcap")) continue;
      }
      taken = true;
      const masked = simulate(p, {
        ...known.recipe(p),
        maskings: [{ pairs: allowedPairs(p), mechanism: { kind: "absent" } }],
      });
      const weights = typeof got === "string" ? masked.weights : got.weights;
      if (typeof got !== "string" && distance(got.plain, masked.weights) > known.tolerance) continue; // the mask is wrong without a cap
      const want = simulate(p, {
        ...known.recipe(p),
        score: capped,
        maskings: [{ pairs: allowedPairs(p), mechanism: { kind: "absent" } }],
      });
      const leaks = weights.some((w, n) => want.weights[n] === 0 && w !== 0);
      if (!leaks && distance(weights, want.weights) <= known.tolerance) continue;
      const shown = showMaps({ ...p, extra }, want.weights, weights, lab);
      return {
        message: leaks
          ? `softcap: ${cap} ${says} brings hidden keys back: the cap is applied after the mask.`
          : typeof got === "string"
            ? `softcap is dropped ${says}.`
            : `softcap: ${cap} ${says} is not c·tanh(s/c) of the scaled score.`,
        evidence: shown.evidence,
        probe: shown.probe,
      };
    }
    return taken ? "clear" : notTested(typeof open === "string" ? open : "the function does not take softcap");
  },
});
