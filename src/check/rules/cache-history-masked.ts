/** @file A step of several tokens does not see the cache. */
import { allowedPairs } from "../probe/problem.js";
import { showMaps } from "../probe/evidence.js";
import { frontiers } from "../probe/frontier.js";
import { cacheFacts } from "../probe/model-cache.js";
import { simulate } from "../probe/simulate.js";
import { notTested, rule } from "../rule.js";

export const cacheHistoryMasked = rule({
  id: "cache-history-masked",
  says: "A step of several tokens hides the history in the cache.",
  why: "tril(ones(Lq, Lk)) starts at the upper left: of a cache of a thousand tokens the first new one sees one. A step of one token is often spared by a special case, so only speculative or chunked decoding breaks.",
  severity: "error",
  fix: "Offset the triangle by the length of the cache: tril(ones(Lq, Lk), Lk − Lq)",
  reference: "seen in hyprstream#1521, lag-llama#81",
  wrong: "keep = tril(ones(Lq, Lk), 0);",
  right: "keep = tril(ones(Lq, Lk), Lk - Lq);",
  mustCatch: [
    "tril(0), loops",
    "tril(0), whole maps",
    "tril(0), flattened batch",
    "model: tril(0)",
    "model: but for one token",
  ],
  mustPass: [
    "loops, float64",
    "online softmax in tiles, async",
    "model: decoder, rotary, with a cache",
    "model: learned positions with a cache",
  ],
  explains: ["causal-alignment", "rope-offset-in-cache", "t5-bias-in-cross-attention"],
  picture: { expected: "■ ■ ■ · ·\n■ ■ ■ ■ ·\n■ ■ ■ ■ ■", found: "■ · · · ·\n■ ■ · · ·\n■ ■ ■ · ·" },
  probe: async (lab) => {
    const f = await frontiers(lab);
    if ("reason" in f) return notTested(f.reason);
    const { decode, chunk } = f;
    if (chunk.reach === "fails") return notTested("the function takes only as many queries as keys");
    if (chunk.reach !== "upper-left" || (decode.reach !== "lower-right" && decode.reach !== "everything"))
      return "clear";
    const p = chunk.problem;
    const want = simulate(p, { maskings: [{ pairs: allowedPairs(p), mechanism: { kind: "absent" } }] });
    const shown = showMaps(p, want.weights, chunk.weights!, lab);
    return {
      message: `One query sees all of ${decode.Lk} keys, but ${chunk.Lq} queries with ${chunk.Lk} keys see only ${chunk.sees.join(", ")}: a step of several tokens differs from steps of one.`,
      evidence: shown.evidence,
      probe: shown.probe,
    };
  },
  probeModel: async (lab) => {
    const facts = await cacheFacts(lab);
    if ("reason" in facts) return notTested(facts.reason);
    return facts.history ?? "clear";
  },
});
