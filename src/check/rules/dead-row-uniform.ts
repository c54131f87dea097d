/** @file A row that may attend to nothing gives a mean of hidden values. */
import { deadRows } from "../probe/dead.js";
import { callText } from "../probe/evidence.js";
import { number } from "../report/picture.js";
import { notTested, rule } from "../rule.js";

export const deadRowUniform = rule({
  id: "dead-row-uniform",
  says: "A query that may attend to nothing gives the mean of the hidden values.",
  why: "A finite mask constant cancels when it stands in the whole row: all weights become equal and padding, or the future, flows in. JAX and many eager implementations do this.",
  severity: "warning",
  fix: 'Give zeros where no key is visible: multiply the weights by "any key visible", or set the row to zero after softmax',
  reference: "notes on jax.nn.dot_product_attention; PyTorch ≥ 2.5 and ONNX give zeros; seen in mlx#2395",
  wrong: "scores = where(mask, scores, -1e9); // a whole row of −1e9 is uniform",
  right: "weights = where(any(mask, -1), softmax(where(mask, scores, -Infinity)), 0);",
  mustCatch: [
    "fills −1e9, loops",
    "fills −1e9, whole maps",
    "fills −1e9, flattened batch",
    "fills −1e9, online softmax",
    "adds the lowest float32",
    "mean of everything",
  ],
  mustPass: ["from the last key to the first, async", "softmax in log space, Float64Array"],
  explains: ["NaN-through-mask"],
  picture: { expected: "■ · ·\n· · ·\n■ ■ ■", found: "■ · ·\n■ ■ ■\n■ ■ ■" },
  probe: async (lab) => {
    const rows = await deadRows(lab);
    if (typeof rows === "string") return notTested(rows);
    const moving = rows.filter((r) => r.kind === "moves");
    if (moving.length > 0) {
      const r = moving[0]!;
      return {
        message: `A query that may attend to nothing gives a mean of hidden values (${moving.map((m) => m.says).join("; ")}).`,
        evidence: `${callText(r.problem, lab)}: the row is [${r.row.map(number).join(", ")}], expected zeros; it moves when hidden values move`,
      };
    }
    const fixed = rows.find((r) => r.kind === "fixed");
    if (!fixed) return "clear";
    return {
      severity: "info",
      message: `A query that may attend to nothing gives [${fixed.row.map(number).join(", ")}], whatever the hidden values are (${fixed.says}).`,
      evidence: callText(fixed.problem, lab),
    };
  },
});
