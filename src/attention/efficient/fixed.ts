/**
 * @file Fixed attention of the Sparse Transformer. Child et al. 2019 (arXiv:1904.10509) §4.3, "fixed" A⁽¹⁾ and A⁽²⁾.
 *     query i sees its own block of l keys, and the last c keys of every block (its summary):  O(L·(l + c·L/l))
 *
 *     ■ · · · · · · · ·      block 3, summary 1, causal; without `causal` blocks are whole and later summaries are seen
 *     ■ ■ · · · · · · ·
 *     ■ ■ ■ · · · · · ·
 *     · · ■ ■ · · · · ·
 *     · · ■ ■ ■ · · · ·
 *     · · ■ ■ ■ ■ · · ·
 *     · · ■ · · ■ ■ · ·
 *     · · ■ · · ■ ■ ■ ·
 *     · · ■ · · ■ ■ ■ ■
 */
import { OptionError } from "../../tensor/index.js";
import { note } from "./cost.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, selfOnly } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { takeRows } from "./rows.js";
import { bytes, ints } from "./fill.js";

export interface FixedOptions extends CommonOptions {
  /** Keys in a block, l; default ⌈√L⌉. */
  blockSize?: number;
  /** Keys at the end of a block that all later queries see, c; default 1, as little as the paper's idea needs (it used 8 of 128). */
  summary?: number;
}

/**
 * Both factors of the paper in every head, as one softmax. A block of L keys, or a summary of the whole block, is exact
 * attention. An unfinished last block has only the summary positions it reaches.
 */
export const fixed = mechanism<FixedOptions>("fixed", (p, options) => {
  selfOnly(p, "blocks are counted within one sequence");
  const L = p.queries;
  const l = count(p.where, "blockSize", options.blockSize ?? Math.max(1, Math.ceil(Math.sqrt(L))));
  const c = count(p.where, "summary", options.summary ?? 1);
  if (c > l) {
    throw new OptionError({
      where: p.where,
      argument: "options.summary",
      got: `is ${c}`,
      expected: `at most blockSize ${l}`,
      fix: "a summary is the end of a block",
    });
  }
  if (L % l !== 0) note(`length ${L} ends in a block of ${L % l} instead of ${l}`);
  const blockStart = (i: number) => Math.floor(i / l) * l;
  const firstSummary = l - c; // within a block
  const own = intervals(L, L, (i) => {
    const [from, to] = [blockStart(i), blockStart(i) + firstSummary];
    return [from, p.causal ? Math.min(i + 1, to) : to];
  });
  const ids: number[] = [];
  for (let j = 0; j < L; j++) if (j % l >= firstSummary) ids.push(j);
  const G = ids.length;
  // Summaries before position j: whole blocks give c each, the unfinished one what it has.
  const upTo = (j: number) => Math.floor(j / l) * c + Math.max(0, (j % l) - firstSummary);
  const each = (heads: number) =>
    ints(p.batch * heads * G, (n) => ids[n % G]!); // biome-ignore format: one line
  const summaryMask = p.keyMask && bytes(p.batch * G, (n) => p.keyMask![Math.floor(n / G) * L + ids[n % G]!]!);
  const far = intervals(L, G, (i) => [0, p.causal ? upTo(i + 1) : G]);
  const inBlock = attend(p.q, p.k, p.v, p.scale, without(own, p.keyMask, L));
  if (G === 0) return inBlock.output; // shorter than the first summary
  const [kS, vS] = [takeRows(p.k, each(p.keyHeads)), takeRows(p.v, each(p.keyHeads))];
  return merge([inBlock, attend(p.q, kS, vS, p.scale, without(far, summaryMask, G))]);
});
