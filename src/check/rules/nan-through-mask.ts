/** @file NaN or Infinity in a hidden key or value reaches the output. */
import { base, isPlain } from "../probe/base.js";
import { unmaskedColumn } from "../probe/columns.js";
import { callText } from "../probe/evidence.js";
import { pathNames, pathSays } from "../probe/masking.js";
import { unsound } from "../probe/named.js";
import { problem, shapeOf } from "../probe/problem.js";
import { notTested, rule } from "../rule.js";

export const nanThroughMask = rule({
  id: "NaN-through-mask",
  says: "A NaN or Infinity in a hidden key or value reaches the output.",
  why: "0 · NaN is NaN: a weight of nothing does not stop it. Caches and padded buffers that were never filled hold such numbers.",
  severity: "warning",
  fix: "Pass over hidden keys in the sum of weights · v, or clear their values first; select masked scores (where), do not add to them",
  reference: "masked means absent; seen in pytorch#101967",
  wrong: "for (let j = 0; j < Lk; j++) out += weights[j] * v[j]; // 0 · NaN",
  right: "for (let j = 0; j < Lk; j++) if (visible[j]) out += weights[j] * v[j];",
  mustCatch: [
    "multiplies every value, loops",
    "multiplies every value, whole maps",
    "multiplies every value, flattened batch",
    "float32, dense",
  ],
  mustPass: ["transposed keys, chunks of queries", "nested arrays in and out"],
  picture: { expected: "■ ■ ·\n■ ■ ·\n■ ■ ·", found: "! ! !\n! ! !\n! ! !" },
  probe: async (lab) => {
    const known = await base(lab);
    if (!isPlain(known)) return notTested("the output without a mask is wrong already");
    const through: { says: string; text: string }[] = [];
    let asked = 0;
    for (const path of pathNames) {
      if (await unsound(lab, path)) continue;
      for (const poison of [Number.NaN, Number.POSITIVE_INFINITY])
        for (const operand of ["v", "k"] as const) {
          const p = unmaskedColumn(path, problem(lab.fit(shapeOf({ B: 1, H: 1, Lk: 3, D: 2 })), lab.seed));
          p[operand].fill(poison, p[operand].length - p.D);
          const answer = await lab.ask(p);
          if (!answer.ok) continue;
          asked++;
          const rows = path === "causal" ? p.Lq - 1 : p.Lq; // the last query sees the poisoned key under causal
          if (Array.from(answer.output.subarray(0, rows * p.Dv)).every(Number.isFinite)) continue;
          through.push({
            says: `${poison} in a hidden ${operand === "v" ? "value" : "key"}, ${pathSays[path]}`,
            text: callText(p, lab),
          });
        }
    }
    if (asked === 0) return notTested("no way of masking is sound enough to ask");
    if (through.length === 0) return "clear";
    const names = through.map((t) => t.says);
    return {
      message: `${names[0]!} reaches rows that do not see it${names.length > 1 ? `; so do ${names.length - 1} more of ${asked} such calls` : ""}.`,
      evidence: [
        `${through[0]!.text}, with the last key poisoned: rows that do not see it are not finite`,
        ...names,
      ].join("\n"),
    };
  },
});
