/** @file The scores are scaled by something else: the number of heads, √D instead of 1/√D, 1/D. */
import { baseOutcome } from "../probe/named.js";
import { givenScale } from "../probe/scale.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

const id = "scale-by-heads";

export const scaleByHeads = rule({
  id,
  aliases: ["scale-inverted", "scale-double"],
  says: "The scores are scaled by a wrong factor: by the number of heads, by √D instead of 1/√D, or twice.",
  why: "Weights are too sharp or too flat by a factor that changes with the shape, so a model trained elsewhere gives other answers.",
  severity: "error",
  fix: "Multiply q·k once by 1/√D, D = q.shape.at(-1); when q was scaled already, leave the scores alone",
  reference:
    "Vaswani et al. 2017 (arXiv:1706.03762) eq. 1; seen in tt-metal#56789 (1/√H), perceiver-io#9 (× for ÷), transformers#38290 (twice)",
  wrong: "const s = dot(q[i], k[j]) * Math.sqrt(D); // or / Math.sqrt(heads), or / D",
  right: "const s = dot(q[i], k[j]) / Math.sqrt(D);",
  mustCatch: [
    "√H, loops",
    "√H, float32 loops",
    "√H, whole maps",
    "√H, flattened batch",
    "√H, online softmax",
    "times √D",
    "scales twice",
    "the whole part of √D, nested arrays",
    "given scale and default",
    "1/8 for every head size",
  ],
  mustPass: ["base 2, log₂e folded into the scale", "float16, scale folded into q"],
  base: [
    { rule: id, says: "divides q·k by √H, the root of the number of heads", scale: (s) => 1 / Math.sqrt(s.H) },
    { rule: id, says: "multiplies q·k by √D instead of dividing by it", scale: (s) => Math.sqrt(s.D) },
    { rule: id, says: "scales twice: q·k is divided by D instead of √D", scale: (s) => 1 / s.D },
    { rule: id, says: "multiplies q·k by D", scale: (s) => s.D },
    { rule: id, says: "divides q·k by √Lk, the root of the number of keys", scale: (s) => 1 / Math.sqrt(s.Lk) },
    {
      rule: id,
      says: "divides q·k by the fourth root of D: the factor meant for q and for k each is applied once",
      scale: (s) => s.D ** -0.25,
    },
    { rule: id, says: "divides q·k by H", scale: (s) => 1 / s.H },
    { rule: id, says: "divides q·k by H·D", scale: (s) => 1 / (s.H * s.D) },
    {
      rule: id,
      says: "multiplies q·k by √(H/D): D was divided by the number of heads twice",
      scale: (s) => Math.sqrt(s.H / s.D),
    },
    { rule: id, says: "multiplies q·k by √H", scale: (s) => Math.sqrt(s.H) },
    { rule: id, says: "multiplies q·k by √(H·D)", scale: (s) => Math.sqrt(s.H * s.D) },
    { rule: id, says: "divides q·k by √(2·D)", scale: (s) => 1 / Math.sqrt(2 * s.D) },
    { rule: id, says: "divides q·k by √B, the root of the batch size", scale: (s) => 1 / Math.sqrt(s.B) },
    { rule: id, says: "divides q·k by √2", scale: () => Math.SQRT1_2 },
  ],
  probe: async (lab) => {
    const found = await baseOutcome(lab, id);
    return typeof found === "object" && "message" in found ? found : ((await givenScale(lab, id)) ?? found);
  },
  probeModule: (lab) => moduleOutcome(lab, "scale-by-heads"),
});
