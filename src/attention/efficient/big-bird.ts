/**
 * @file BigBird. Zaheer et al. 2020 (arXiv:2007.14062) §2, fig. 1: window + global + random blocks.
 *     query block i sees blocks 0, i − 1, i, i + 1, n − 1 and r random ones; blocks 0 and n − 1 see everything
 *
 *     ■ ■ ■ ■ ■ ■ ■ ■      8 blocks, r = 1; a ■ is a block of blockSize × blockSize pairs; O(L·blockSize·(5 + r))
 *     ■ ■ ■ · · ■ · ■
 *     ■ ■ ■ ■ · · ■ ■
 *     ■ · ■ ■ ■ · ■ ■
 *     ■ ■ · ■ ■ ■ · ■
 *     ■ · ■ · ■ ■ ■ ■
 *     ■ · · ■ · ■ ■ ■
 *     ■ ■ ■ ■ ■ ■ ■ ■
 */
import type { AttentionResult } from "../../kernels/kernel.js";
import { OptionError, ShapeError, show } from "../../tensor/index.js";
import { adjusted } from "./cost.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, integers, type Problem, selfOnly, type Table } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { random } from "../../tensor/random.js";

export interface BigBirdOptions extends CommonOptions {
  /** Tokens in a block; default 64, Hugging Face's. */
  blockSize?: number;
  /** [H, blocks − 2, r]: the key blocks that query block i + 1 sees as well (`rand_attn`); or r, drawn from `seed`. Default 3. */
  randomBlocks?: number | Table;
  /**
   * A block named again, by the random choice or beside the fixed pattern: "once" sees it once, "count" lets it weigh
   * again in the softmax, as Hugging Face's code does. Default "once", the paper's set of edges.
   */
  repeatedBlocks?: "once" | "count";
}

/**
 * Exact attention over the kept blocks, which are the only ones read. Two blocks or three are all there is: exact
 * attention. A length that is no multiple of the block ends in a smaller block, which is what padding with absent
 * keys gives.
 */
export const bigBird = mechanism<BigBirdOptions>("bigBird", (p, options) => {
  selfOnly(p, "blocks are counted within one sequence");
  const size = count(p.where, "blockSize", options.blockSize ?? 64);
  const blocks = Math.max(1, Math.ceil(p.queries / size));
  if (p.queries % size !== 0) adjusted(p.where, p.queries, blocks * size, `blockSize ${size}`);
  const times = multiplicity(p, blocks, chosen(p, options, blocks), options.repeatedBlocks ?? "once");
  const parts: AttentionResult[] = [];
  for (let t = 1; t === 1 || times.some((n) => n >= t); t++) {
    const rule = intervals(p.queries, p.keys, (i) => [0, p.causal ? i + 1 : p.keys]);
    const strides = [0, blocks * blocks, blocks, 1] as const;
    rule.blocks = { data: Uint8Array.from(times, (n) => (n >= t ? 1 : 0)), size, strides };
    parts.push(attend(p.q, p.k, p.v, p.scale, without(rule, p.keyMask, p.keys)));
  }
  return merge(parts); // a block named n times is in n parts, so it weighs n times
});

/** How often query block (h, i) sees key block j: [H, blocks, blocks]. */
function multiplicity(p: Problem, blocks: number, random: Int32Array, repeated: "once" | "count"): Uint8Array {
  const r = blocks > 2 ? random.length / (p.heads * (blocks - 2)) : 0;
  const times = new Uint8Array(p.heads * blocks * blocks);
  for (let h = 0; h < p.heads; h++) {
    for (let i = 0; i < blocks; i++) {
      const row = times.subarray((h * blocks + i) * blocks, (h * blocks + i + 1) * blocks);
      const edge = i === 0 || i === blocks - 1;
      for (let j = 0; j < blocks; j++) if (edge || j === 0 || j === blocks - 1 || Math.abs(i - j) <= 1) row[j] = 1;
      if (edge) continue;
      for (const j of random.subarray((h * (blocks - 2) + i - 1) * r, (h * (blocks - 2) + i) * r)) row[j]!++;
    }
  }
  return repeated === "once" ? times.map((n) => Math.min(n, 1)) : times;
}

/** The random blocks [H, blocks − 2, r], given or drawn among those the query block does not see anyway. */
function chosen(p: Problem, options: BigBirdOptions, blocks: number): Int32Array {
  const given = options.randomBlocks ?? 3;
  const inner = Math.max(0, blocks - 2);
  if (typeof given === "number") return draw(p, count(p.where, "randomBlocks", given, 0), blocks, options.seed ?? 0);
  const { data, shape } = integers(p.where, "options.randomBlocks", given);
  if (shape.length !== 3 || shape[0] !== p.heads || shape[1] !== inner) {
    throw new ShapeError({
      where: p.where,
      argument: "options.randomBlocks",
      got: `has shape ${show(shape)}`,
      expected: `[${p.heads}, ${inner}, r]: heads, the ${blocks} blocks but the first and last, blocks to see`,
    });
  }
  const outside = data.find((j) => j < 0 || j >= blocks);
  if (outside === undefined) return data;
  throw new OptionError({
    where: p.where,
    argument: "options.randomBlocks",
    got: `names block ${outside}`,
    expected: `blocks from 0 to ${blocks - 1}`,
  });
}

function draw(p: Problem, r: number, blocks: number, seed: number): Int32Array {
  const source = random(seed);
  const free = Math.max(0, Math.min(r, blocks - 5)); // the innermost rows have blocks − 5 others left
  const out = new Int32Array(p.heads * Math.max(0, blocks - 2) * free);
  for (let h = 0, at = 0; h < p.heads; h++) {
    for (let i = 1; i < blocks - 1; i++) {
      const taken = new Set<number>();
      while (taken.size < free) {
        const j = 1 + source.below(blocks - 2); // not an edge; drawn again where it is a neighbour or taken
        if (Math.abs(i - j) > 1) taken.add(j);
      }
      for (const j of taken) out[at++] = j;
    }
  }
  return out;
}
