/** @file A chunk that is appended to a cache sees its own future. */
import { allowedPairs } from "../probe/problem.js";
import { showMaps } from "../probe/evidence.js";
import { frontiers } from "../probe/frontier.js";
import { cacheFacts } from "../probe/model-cache.js";
import { simulate } from "../probe/simulate.js";
import { notTested, rule } from "../rule.js";

export const cachePrefillNotCausal = rule({
  id: "cache-prefill-not-causal",
  says: "A chunk of several tokens that is appended to a cache is not causal.",
  why: "The mask is dropped whenever there is a cache, which is right for one token and wrong for a prompt fed in pieces: its tokens see each other's future.",
  severity: "error",
  fix: "With a cache of n keys query i of the chunk sees keys to n + i: keep the causal mask, offset by Lk − Lq",
  reference: "Vaswani et al. 2017 (arXiv:1706.03762) §3.2.3; seen in Mikyx-1/TinyLLM#17, mlx-node#24",
  wrong: "const mask = past ? undefined : causalMask(L);",
  right: "const mask = causalMask(Lq, { offset: Lk - Lq });",
  mustCatch: [
    "only when square, loops",
    "only when square, whole maps",
    "only when square, flattened batch",
    "only when square, online softmax",
    "model: no mask with a cache",
    "model: rope",
  ],
  mustPass: [
    "loops, float64",
    "transposed keys, chunks of queries",
    "model: decoder, rotary, with a cache",
    "model: encoder–decoder, T5 bias, with a cache",
  ],
  explains: ["causal-alignment", "rope-offset-in-cache", "t5-bias-in-cross-attention"],
  picture: { expected: "■ ■ ■ · ·\n■ ■ ■ ■ ·\n■ ■ ■ ■ ■", found: "■ ■ ■ ■ ■\n■ ■ ■ ■ ■\n■ ■ ■ ■ ■" },
  probe: async (lab) => {
    const f = await frontiers(lab);
    if ("reason" in f) return notTested(f.reason);
    if (f.chunk.reach === "fails") return notTested("the function takes only as many queries as keys");
    if (f.chunk.reach !== "everything") return "clear";
    const p = f.chunk.problem;
    const want = simulate(p, { maskings: [{ pairs: allowedPairs(p), mechanism: { kind: "absent" } }] });
    const shown = showMaps(p, want.weights, f.chunk.weights!, lab);
    return {
      message: `causal is dropped when there are more keys than queries: ${f.chunk.Lq} queries appended to a cache all see ${f.chunk.Lk} keys.`,
      evidence: shown.evidence,
      probe: shown.probe,
    };
  },
  probeModel: async (lab) => {
    const facts = await cacheFacts(lab);
    if ("reason" in facts) return notTested(facts.reason);
    return facts.future ?? "clear";
  },
});
