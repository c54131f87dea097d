/** @file Dropout is on although nobody trains. */
import { callText } from "../probe/evidence.js";
import { dropoutOfModel } from "../probe/model-repeat.js";
import { repeats } from "../probe/repeat.js";
import { number } from "../report/picture.js";
import { notTested, rule } from "../rule.js";

export const dropoutAtEval = rule({
  id: "dropout-at-eval",
  says: "The same call gives another output: dropout is on without training.",
  why: "PyTorch's scaled_dot_product_attention drops whenever dropout_p > 0, also in eval mode. Answers change from call to call and are worse.",
  severity: "error",
  fix: "Drop only when training: dropout_p = training ? p : 0, default 0",
  reference:
    "PyTorch scaled_dot_product_attention, note on dropout_p; seen in pytorch#124464, timm#1978, torchtune#1791, suno-ai/bark#662",
  wrong: "weights = dropout(weights, 0.1);",
  right: "if (training) weights = dropout(weights, 0.1);",
  mustCatch: [
    "Math.random",
    "own generator",
    "the same every time",
    "on the output",
    "model: Math.random",
    "model: own generator",
  ],
  mustPass: ["bfloat16 at every step", "from the last key to the first, async", "model: encoder, hidden states, async"],
  explains: ["*"],
  probe: async (lab) => {
    const r = await repeats(lab);
    if (typeof r === "string") return notTested(r);
    const rate =
      r.dropped === undefined
        ? ""
        : ` Weights are 0 or ${number(1 / (1 - r.dropped))} times what they should be, as a dropout of ${number(r.dropped)} leaves them.`;
    if (r.spread > 0 && (r.random || r.dropped !== undefined || allDiffer(r.outputs)))
      return {
        message: `Two equal calls differ by ${number(r.spread)}.${rate}`,
        evidence: `${callText(r.problem, lab)}, four times: number 0 of the output is ${r.outputs.map((o) => number(o[0]!)).join(", ")}${r.random ? "; equal once Math.random gives the same numbers" : ""}`,
      };
    if (r.dropped !== undefined)
      return {
        message: `Without training some weights are missing and the others too large.${rate}`,
        evidence: `${callText(r.problem, lab)}: every call drops the same weights`,
      };
    return "clear";
  },
  probeModel: (lab) => dropoutOfModel(lab),
});

/** Chance makes all calls differ; a memory settles or repeats. */
function allDiffer(outputs: Float64Array[]): boolean {
  const keys = new Set(outputs.map((o) => o.join()));
  return keys.size === outputs.length && outputs.some((o) => o.some((x) => x === 0));
}
