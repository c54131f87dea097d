/** @file Grouped heads are tiled instead of repeated. */
import { callText } from "../probe/evidence.js";
import { groups } from "../probe/groups.js";
import { notTested, rule } from "../rule.js";

export const gqaTileForRepeat = rule({
  id: "gqa-tile-for-repeat",
  says: "Query heads read the wrong key head: key heads are tiled instead of repeated.",
  why: "Checkpoints are trained with contiguous groups: heads 0, 1, 2 share key head 0. Tiled, head 1 reads key head 1, and the model babbles.",
  severity: "error",
  fix: "Query head h reads key head ⌊h·Hk/H⌋: repeat_interleave over the heads, not tile or repeat",
  reference: "Ainslie et al. 2023 (arXiv:2305.13245); seen in ekzhang/jax-js#180, onnx#7274, apple/axlearn#842",
  wrong: "const keyHead = h % keyHeads;",
  right: "const keyHead = Math.floor((h * keyHeads) / heads);",
  mustCatch: [
    "h mod Hk, loops",
    "h mod Hk, float32 loops",
    "h mod Hk, whole maps",
    "h mod Hk, flattened batch",
    "h mod Hk, online softmax",
    "always key head 0",
  ],
  mustPass: ["key heads repeated", "loops, float64"],
  probe: async (lab) => {
    const g = await groups(lab);
    if (g.status === "not tested") return notTested(g.reason);
    if (g.status !== "heads") return "clear";
    return {
      message: `With ${g.problem.H} query heads and ${g.problem.Hk} key heads, query heads read key heads ${g.map.join(" ")} instead of ${g.expected.join(" ")}.`,
      evidence: `${callText(g.problem, lab)}: moving the values of one key head moves these query heads; the output equals that of this assignment`,
    };
  },
});
