/**
 * @file A model's attention to itself, from projections to merged heads: cache, rule and listeners in one place.
 */
import { attend, type HeadsView } from "../attention/index.js";
import type { Site } from "../attention/listen.js";
import type { BiasView } from "../attention/index.js";
import type { Tensor } from "../tensor/index.js";
import type { Pass } from "./pass.js";
import type { Sight } from "./sight.js";

export interface SelfAttention {
  q: HeadsView;
  k: HeadsView;
  v: HeadsView;
  sight: Sight;
  scale: number;
  /** Scores are c·tanh(score/c); default: as they are. */
  softcap?: number | undefined;
  /** How many keys a query sees, its own the last of them. Default: all that `sight` allows. */
  window?: number | undefined;
  /** The bias for so many queries and keys, as T5 wants. */
  bias?: ((queries: number, keys: number) => BiasView) | undefined;
}

/** @returns [B, L, H·D] */
export function selfAttend(site: Site, call: SelfAttention, { cache }: Pass): Tensor {
  const { q, sight, scale, softcap, window, bias } = call;
  const { k, v, queryOffset } = cache
    ? cache.append(site, call.k, call.v, window)
    : { k: call.k, v: call.v, queryOffset: 0 };
  const rule = sight.rule(k.length, queryOffset, window);
  return attend(site, {
    q,
    k,
    v,
    rule,
    scale,
    ...(softcap !== undefined && { softcap }),
    ...(bias && { bias: bias(q.length, k.length) }),
  });
}
