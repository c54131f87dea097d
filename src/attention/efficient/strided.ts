/**
 * @file Strided attention of the Sparse Transformer. Child et al. 2019 (arXiv:1904.10509) §4.3, A⁽¹⁾ and A⁽²⁾.
 *     query i sees the last l keys, and every key a whole number of strides l away:  O(L·(l + L/l)), l ≈ √L: O(L√L)
 *
 *     ■ · · · · · · · ·      stride 3, causal; without `causal` the pattern is mirrored to the right
 *     ■ ■ · · · · · · ·
 *     ■ ■ ■ · · · · · ·
 *     ■ ■ ■ ■ · · · · ·
 *     · ■ ■ ■ ■ · · · ·
 *     · · ■ ■ ■ ■ · · ·
 *     ■ · · ■ ■ ■ ■ · ·
 *     · ■ · · ■ ■ ■ ■ ·
 *     · · ■ · · ■ ■ ■ ■
 */
import type { AttentionResult } from "../../kernels/kernel.js";
import { note } from "./cost.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, selfOnly } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { attendResidues } from "./residues.js";

export interface StridedOptions extends CommonOptions {
  /** Distance l between the far keys, and reach of the near ones; default ⌈√L⌉, where the cost is least. */
  stride?: number;
}

/**
 * Both factors of the paper in every head (its "merged head"), as one softmax. A stride ≥ L is exact attention.
 * Suits data with a period of its own, such as the rows of an image; for text the paper prefers `fixed`.
 */
export const strided = mechanism<StridedOptions>("strided", (p, options) => {
  selfOnly(p, "strided attention counts distances within one sequence");
  const L = p.queries;
  const l = count(p.where, "stride", options.stride ?? Math.max(1, Math.ceil(Math.sqrt(L))));
  if (L % l !== 0) note(`length ${L} is padded to ${Math.ceil(L / l) * l}, a multiple of stride ${l}`);
  // Near keys without the query's own position and those exactly l away: these belong to the far ones.
  const near = (from: number, to: number): AttentionResult =>
    attend(p.q, p.k, p.v, p.scale, without(intervals(L, L, (i) => [i + from, i + to + 1]), p.keyMask, L)); // biome-ignore format: one line
  const far = attendResidues(p.q, p.k, p.v, p.scale, l, p.causal ? (n) => [0, n + 1] : () => [0, L], p.keyMask);
  const parts = [far];
  if (l > 1) parts.push(near(1 - l, -1));
  if (l > 1 && !p.causal) parts.push(near(1, l - 1));
  return merge(parts);
});
