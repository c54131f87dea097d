/** @file Positions start again in a step with a cache. */
import { cacheFacts } from "../probe/model-cache.js";
import { notTested, rule } from "../rule.js";

export const ropeOffsetInCache = rule({
  id: "rope-offset-in-cache",
  says: "With a cache new tokens are turned by the wrong positions.",
  why: "The step computes positions 0, 1, … for its own tokens although n stand before them: fluent for a few words, then nonsense.",
  severity: "error",
  fix: "Positions of a step start at the length of the cache; after eviction at the token's own position or consistently inside the cache",
  reference: "Su et al. 2021 (arXiv:2104.09864); seen in moeut#6, rotary-embedding-torch#11, VeloxQuant-MLX#389",
  wrong: "const positions = range(0, ids.length);",
  right: "const positions = range(past.length, past.length + ids.length);",
  mustCatch: ["model: learned restart", "model: rotary restart", "model: one off"],
  mustPass: ["model: decoder, rotary, with a cache", "model: learned positions with a cache"],
  probeModel: async (lab) => {
    const facts = await cacheFacts(lab);
    if ("reason" in facts) return notTested(facts.reason);
    return lab.config.positions === "t5" ? "clear" : (facts.positions ?? "clear");
  },
});
