/**
 * @file Attention to the blocks that matter. Lu et al. 2025, MoBA (arXiv:2502.13189) §2.2, eq. 2–6; no parameters.
 *     gate of query i for block b:  q_i · mean of the keys of b;   i sees its own block and the best topK − 1 others
 *
 *     ■ · · · · · · ·      blocks of 2, topK 2, causal: the own block, and one earlier block that each query chooses;
 *     ■ ■ · · · · · ·      topK ≥ blocks is exact attention
 *     ■ ■ ■ · · · · ·
 *     ■ ■ ■ ■ · · · ·
 *     · · ■ ■ ■ · · ·
 *     ■ ■ · · ■ ■ · ·
 *     ■ ■ · · · · ■ ·
 *     · · ■ ■ · · ■ ■
 */
import { ops } from "../../kernels/current.js";
import type { AttentionResult } from "../../kernels/kernel.js";
import { contiguousHeads } from "../../kernels/layout.js";
import { type Tensor, tensor } from "../../tensor/index.js";
import { note } from "./cost.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem, selfOnly } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { blank, padRows, spreadHeads, takeRows } from "./rows.js";

export interface TopKBlocksOptions extends CommonOptions {
  /** Keys in a block; default 64. */
  blockSize?: number;
  /** Blocks a query sees, its own included; default 4. */
  topK?: number;
}

/**
 * Exact attention over the chosen blocks: O(L·topK·blockSize) and the gate, O(L·L/blockSize). The choice has no slope,
 * as in the paper. A causal query chooses among whole earlier blocks only: the mean of its own block would show it later keys.
 */
export const topKBlocks = mechanism<TopKBlocksOptions>("topKBlocks", (p, options) => {
  selfOnly(p, "a query always sees its own block");
  const size = count(p.where, "blockSize", options.blockSize ?? 64);
  const topK = count(p.where, "topK", options.topK ?? 4);
  const L = p.queries;
  const blocks = Math.max(1, Math.ceil(L / size));
  if (L % size !== 0) note(`length ${L} ends in a block of ${L % size} instead of ${size}`);
  const [k, v] = [spreadHeads(p.k, p.heads), spreadHeads(p.v, p.heads)];
  const own = intervals(L, L, (i) => {
    const from = Math.floor(i / size) * size;
    return [from, p.causal ? i + 1 : from + size];
  });
  const parts = [attend(p.q, p.k, p.v, p.scale, without(own, p.keyMask, L))];
  const choices = choose(p, gate(p, k, size, blocks), size, blocks, Math.min(topK, blocks) - 1);
  for (const chosen of choices) parts.push(attendChosen(p, k, v, chosen, size, blocks));
  return merge(parts);
});

/** Scores of every query for every block, [B, H, L, blocks]; absent keys do not count in a mean. */
function gate(p: Problem, k: Tensor, size: number, blocks: number): Float32Array {
  const o = ops();
  const present = padRows(blank(k, p.keyMask), blocks * size);
  const [B, H, , D] = present.shape as [number, number, number, number];
  const sums = o.reduce("sum", o.reshape(present, [B, H, blocks, size, D]), [3]);
  const counts = new Float32Array(B * blocks);
  for (let b = 0; b < B; b++) {
    for (let j = 0; j < p.keys; j++)
      if (p.keyMask?.[b * p.keys + j] !== 0) counts[b * blocks + Math.floor(j / size)]!++;
  }
  const divisor = tensor(counts.map((n) => Math.max(1, n)), [B, 1, blocks, 1]); // biome-ignore format: one line
  const means = o.binary("divide", o.reshape(sums, [B, H, blocks, D]), divisor);
  return o.matmul(p.q, means, { transposeB: true }).data;
}

/** For each further place a block per query, [B·H·L], or −1: the best by gate among those it may see, but its own. */
function choose(p: Problem, scores: ArrayLike<number>, size: number, blocks: number, places: number): Int32Array[] {
  const rows = p.batch * p.heads * p.queries;
  const chosen = Array.from({ length: places }, () => new Int32Array(rows).fill(-1));
  for (let r = 0; r < rows; r++) {
    const mine = Math.floor((r % p.queries) / size);
    const open: number[] = [];
    for (let b = 0; b < (p.causal ? mine : blocks); b++) if (b !== mine) open.push(b);
    const score = (b: number) => (Number.isNaN(scores[r * blocks + b]) ? -Infinity : scores[r * blocks + b]!);
    if (open.length > places) open.sort((a, b) => score(b) - score(a) || a - b);
    for (let n = 0; n < Math.min(places, open.length); n++) chosen[n]![r] = open[n]!;
  }
  return chosen;
}

/** Each query over one block of its choice. Sorted by block first, so that neighbours in a tile read the same keys. */
function attendChosen(
  p: Problem,
  k: Tensor,
  v: Tensor,
  chosen: Int32Array,
  size: number,
  blocks: number,
): AttentionResult {
  const o = ops();
  const { batch: B, heads: H, queries: L, headDim: D, valueDim: Dv } = p;
  const sorted = new Int32Array(B * H * L);
  const back = new Int32Array(B * H * L);
  for (let head = 0; head < B * H; head++) {
    const next = new Int32Array(blocks + 2);
    for (let i = 0; i < L; i++) next[chosen[head * L + i]! + 2]!++;
    for (let n = 1; n < next.length; n++) next[n]! += next[n - 1]!;
    for (let i = 0; i < L; i++) {
      const to = next[chosen[head * L + i]! + 1]!++;
      sorted[head * L + to] = i;
      back[head * L + i] = to;
    }
  }
  const rule = intervals(L, L, (n, head) => {
    const block = chosen[head * L + sorted[head * L + n]!]!;
    return block < 0 ? [0, 0] : [block * size, (block + 1) * size];
  }, B * H); // biome-ignore format: one thought
  if (p.keyMask) {
    const data = new Uint8Array(B * H * L);
    for (let head = 0; head < B * H; head++) {
      const b = Math.floor(head / H);
      data.set(p.keyMask.subarray(b * L, (b + 1) * L), head * L);
    }
    rule.keyMask = { data, batchStride: L };
  }
  const byHead = (x: Tensor, d: number) => contiguousHeads(o.reshape(x, [B * H, 1, L, d]));
  const { output, lse } = o.attention({
    batch: B * H, heads: 1, keyHeads: 1, queries: L, keys: L, headDim: D, valueDim: Dv, scale: p.scale, rule,
    q: byHead(takeRows(p.q, sorted), D), k: byHead(k, D), v: byHead(v, Dv),
  }); // biome-ignore format: sizes, then operands
  return {
    output: takeRows(o.reshape(output, [B, H, L, Dv]), back),
    lse: o.reshape(takeRows(o.reshape(lse, [B, H, L, 1]), back), [B, H, L]),
  };
}
