/** @file Other items of the batch change the last bits of an item. */
import { base, isPlain } from "../probe/base.js";
import { distance } from "../probe/compare.js";
import { callText } from "../probe/evidence.js";
import { batchOfModel } from "../probe/model-batch.js";
import { type Problem, problem, shapeOf } from "../probe/problem.js";
import { notTested, rule } from "../rule.js";

/** Items [0, n) of a problem's batch. */
export function firstItems(p: Problem, n: number): Problem {
  const part = (x: Float32Array) => x.slice(0, (x.length / p.B) * n);
  return { ...p, B: n, q: part(p.q), k: part(p.k), v: part(p.v) };
}

export const batchDependence = rule({
  id: "batch-dependence",
  says: "An item's output depends, in its last bits, on how many others are in the batch.",
  why: "Sums in another order: greedy decoding takes another turn under load, and a rerun does not reproduce a result.",
  severity: "warning",
  fix: "Let the order of sums depend on an item's own length only: fixed tile sizes, no split by the batch",
  reference:
    "Thinking Machines 2025, Defeating Nondeterminism in LLM Inference; seen in vllm#51902, flash-attention#1897",
  wrong: "const step = Math.ceil(L / (4 * batch)); // partial sums change with the batch",
  right: "const step = 16;",
  mustCatch: ["backwards in a batch", "rounded in a batch", "another path in a batch", "model: last bits"],
  mustPass: ["float32 loops", "flattened batch, bare numbers", "model: encoder"],
  probe: async (lab) => {
    if (lab.rank === 2) return notTested("the function has no batch");
    const known = await base(lab);
    if (!isPlain(known)) return notTested("the output without options is wrong already");
    for (const shape of [shapeOf({ B: 4, H: 2, Lk: 19, D: 8 }), shapeOf({ B: 3, H: 1, Lk: 67, D: 4 })]) {
      const p = problem(lab.fit(shape), lab.seed);
      const alone = await lab.ask(firstItems(p, 1));
      if (!alone.ok) return notTested(alone.message);
      for (let n = 2; n <= p.B; n++) {
        const together = await lab.ask(firstItems(p, n));
        if (!together.ok) continue;
        const item = together.output.subarray(0, alone.output.length);
        const apart = distance(item, alone.output);
        if (apart === 0) continue;
        const ulp = Math.max(1, Math.round(apart / 2 ** -24));
        return {
          ...(apart > 1e-3 ? { severity: "error" as const } : {}),
          message: `Item 0 alone and in a batch of ${n} differ by ${apart.toExponential(1)}, about ${ulp} of the last place in float32.`,
          evidence: `${callText(firstItems(p, n), lab)}, and its first item alone`,
        };
      }
    }
    return "clear";
  },
  probeModel: (lab) => batchOfModel(lab),
});
