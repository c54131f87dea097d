/** @file A row that may attend to nothing gives NaN. */
import { deadRows } from "../probe/dead.js";
import { callText } from "../probe/evidence.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { notTested, rule } from "../rule.js";

export const deadRowNaN = rule({
  id: "dead-row-NaN",
  says: "A query that may attend to nothing gives NaN.",
  why: "Softmax of nothing but −∞ is 0/0. One padded item, or left padding under a causal mask, and NaN spreads through the layers and into every gradient.",
  severity: "error",
  fix: "Where no key is visible give zeros: test the row's sum before dividing by it",
  reference: "PyTorch ≥ 2.5 and ONNX give zeros; seen in pytorch#41508, #103963, equinox#274, mlx#2608, rten#1321",
  wrong: "weights[j] = Math.exp(s[j] - max) / sum; // max = −∞, sum = NaN",
  right: "weights[j] = sum > 0 ? Math.exp(s[j] - max) / sum : 0; // with max taken as 0 when it is −∞",
  mustCatch: [
    "0/0, loops",
    "0/0, whole maps",
    "0/0, flattened batch",
    "0/0, online softmax",
    "float32 0/0",
    "model: 0/0 in the padding",
    "model: an encoder's empty item",
  ],
  mustPass: [
    "online softmax in tiles, async",
    "base 2, log₂e folded into the scale",
    "model: encoder, empty rows uniform",
  ],
  explains: ["NaN-through-mask"],
  picture: { expected: "■ · ·\n· · ·\n■ ■ ■", found: "■ · ·\n! ! !\n■ ■ ■" },
  probe: async (lab) => {
    const rows = await deadRows(lab);
    if (typeof rows === "string") return notTested(rows);
    const nan = rows.filter((r) => r.kind === "NaN");
    if (nan.length > 0) {
      const r = nan[0]!;
      const other = rows.find((x) => x.kind === "zeros");
      return {
        message: `A query that may attend to nothing gives NaN (${nan.map((n) => n.says).join("; ")})${other ? `, while ${other.says} gives zeros: two ways of saying the same differ` : ""}.`,
        evidence: `${callText(r.problem, lab)}: the row is [${r.row.join(", ")}], expected [${r.row.map(() => 0).join(", ")}]${r.othersFinite ? "" : "; rows that see keys are NaN as well"}`,
      };
    }
    const refused = rows.find((r) => r.kind === "throws");
    if (refused) {
      return {
        severity: "info",
        message: `A query that may attend to nothing is refused (${refused.says}): ${refused.message}`,
        evidence: callText(refused.problem, lab),
      };
    }
    return "clear";
  },
  probeModel: (lab) => paddingOutcome(lab, "dead-row-NaN"),
});
