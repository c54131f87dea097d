/**
 * @file Sliding window. Beltagy et al. 2020 (arXiv:2004.05150) §3.1; Jiang et al. 2023 (arXiv:2310.06825) §2.
 *     query i sees keys i − left … i + right          exact softmax over them; O(Lq·(left + right + 1)), flat memory
 *
 *     ■ ■ · · · ·      left 2, right 1 on the left; left 2, causal on the right      ■ · · · · ·
 *     ■ ■ ■ · · ·                                                                    ■ ■ · · · ·
 *     ■ ■ ■ ■ · ·                                                                    ■ ■ ■ · · ·
 *     · ■ ■ ■ ■ ·                                                                    · ■ ■ ■ · ·
 *     · · ■ ■ ■ ■                                                                    · · ■ ■ ■ ·
 *     · · · ■ ■ ■                                                                    · · · ■ ■ ■
 */
import { mechanism } from "./mechanism.js";
import { type CommonOptions, type Window, windowOf } from "./operands.js";
import { attend, intervals, without } from "./parts.js";

export interface SlidingWindowOptions extends CommonOptions {
  /** Inclusive reach before and after the query; a number n is n on each side, n to the left when causal. */
  window?: Window | number;
}

/**
 * The same as `attention(q, k, v, { window })`, under a mechanism's signature so that it can be measured beside others.
 * A window that reaches every key is exact attention. Fewer queries than keys are the last ones, as in a cache.
 * @throws {OptionError} for a window below 0
 */
export const slidingWindow = mechanism<SlidingWindowOptions>("slidingWindow", (p, options) => {
  const { left, right } = windowOf(p, options.window);
  const rule = intervals(p.queries, p.keys, (i) => {
    const at = p.queryOffset + i;
    return [at - left, at + right + 1];
  });
  return attend(p.q, p.k, p.v, p.scale, without(rule, p.keyMask, p.keys)).output;
});
