/**
 * @file Reformer's LSH attention. Kitaev et al. 2020 (arXiv:2001.04451) §2, eq. 2–5; hash of Andoni et al. 2015.
 *     hash(x) = argmax [xR, −xR]: near vectors mostly share a bucket. Positions are sorted by (bucket, position) and cut
 *     into chunks; a query sees its chunk and its neighbours. Rounds with other R are joined by their log-sum-exps.
 *
 *     sorted by bucket   ■ ■ · · · ·  ■ ■        chunks of 2, one before (the first looks round at the last):
 *                        ■ ■ · · · ·  ■ ■        O(rounds·L·chunk·2) instead of O(L²)
 *                        ■ ■ ■ ■ · ·  · ·
 *                        ■ ■ ■ ■ · ·  · ·        queries are keys: k = q/|q| · √D. A query sees itself only where it sees
 *                        · · ■ ■ ■ ■  · ·        nothing else, for q·q would win every softmax.
 *                        · · ■ ■ ■ ■  · ·
 */
import { ops } from "../../kernels/current.js";
import type { AttentionResult } from "../../kernels/kernel.js";
import { OptionError, ShapeError, show, type Tensor, type TensorLike } from "../../tensor/index.js";
import { adjusted } from "./cost.js";
import { bucketOrder, lshBuckets, readBuckets, type Hashing } from "./hashing.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem, selfOnly } from "./operands.js";
import { attend, type Interval, intervals, merge, mergeRounds, without } from "./parts.js";
import { cut, padMask, padRows, replaceRows, roundUp, takeRows } from "./rows.js";
import { ints } from "./fill.js";

export interface ReformerOptions extends CommonOptions {
  /** Buckets of a round: an even number, or even factors [n0, n1 …] hashed apart and combined. Default: about 2·L/chunkLength, a power of 2, Hugging Face's choice. */
  buckets?: number | readonly number[];
  /** Hash rounds; default 4. More find more of the near keys and cost in proportion. */
  rounds?: number;
  /** R, [H, D, rounds, Σ factors / 2]; drawn from `seed` when not given. */
  rotations?: Tensor | TensorLike;
  /** Sorted positions in a chunk; default 64, Hugging Face's. A sequence that fits in one is attended to in full. */
  chunkLength?: number;
  /** Neighbour chunks seen before and after, round over all rounds together; default 1 and 0. */
  chunksBefore?: number;
  chunksAfter?: number;
  /** false = Hugging Face's local layers: chunks in the order of positions, keys of their own. Default true. */
  hashing?: boolean;
}

/**
 * q and k are one tensor, passed twice (`hashing: false` takes k of its own). Rounds are joined without correction for
 * keys found in several, as in the paper's code. Lengths that are no multiple of chunkLength are padded with absent keys.
 * @throws {OptionError} for an odd number of buckets, or a k that is not q
 */
export const reformer = mechanism<ReformerOptions>("reformer", (p, options) => {
  selfOnly(p, "queries are the keys");
  const hashing = options.hashing ?? true;
  if (hashing) sharedOnly(p);
  const c = count(p.where, "chunkLength", options.chunkLength ?? 64);
  const before = count(p.where, "chunksBefore", options.chunksBefore ?? 1, 0);
  const after = count(p.where, "chunksAfter", options.chunksAfter ?? 0, 0);
  const k = hashing ? ops().rmsNorm(p.k, undefined, 1e-6) : p.k;
  if (p.queries <= c) return whole(p, k, hashing);
  const L = roundUp(p.queries, c);
  if (L !== p.queries) adjusted(p.where, p.queries, L, `chunkLength ${c}`);
  const padded = {
    ...p,
    q: padRows(p.q, L), k: padRows(k, L), v: padRows(p.v, L),
    keyMask: padMask(p.keyMask, p.batch, p.keys, L), queries: L, keys: L,
  }; // biome-ignore format: operands, then what follows from them
  const order = hashing
    ? hashed(padded, readBuckets(p, options, c))
    : { rounds: 1, positions: inOrder(p.batch * p.heads, L) };
  const { output, lse } = chunked(padded, order, { c, before, after, self: !hashing });
  const merged = cut(mergeRounds(output, lse), p);
  return hashing ? selfWhereAlone(p, merged, emptyRows(lse, p.queries)) : merged;
});

/** Positions of every head in the order in which they are chunked: [B·H, rounds·L]. */
interface Order {
  rounds: number;
  positions: Int32Array;
}

function inOrder(heads: number, L: number): Int32Array {
  return ints(heads * L, (n) => n % L);
}

function hashed(p: Problem, hashing: Hashing): Order {
  const buckets = lshBuckets(p.q, hashing);
  return { rounds: hashing.rounds, positions: bucketOrder(buckets, p, hashing) };
}

/**
 * Attention within chunks and their neighbours: [B, H, rounds, L, Dv] in the order of positions. Chunks are batch items
 * that overlap in memory: each reads its neighbours where they lie, so keys are gathered once.
 */
function chunked(p: Problem, { rounds, positions }: Order, shape: ChunkShape): AttentionResult {
  const o = ops();
  const { batch: B, heads: H, keyHeads: Hk, queries: L, headDim: D, valueDim: Dv } = p;
  const { c, before, after } = shape;
  const n = (rounds * L) / c; // chunks
  const length = rounds * L;
  const reach = (before + 1 + after) * c; // keys of a chunk
  const wide = length + (before + after) * c; // keys of a head, with the neighbours of the first and last chunk
  const around = wrapped(positions, B * H, length, before * c, wide);
  const keyPositions = Hk === H ? around : ofKeyHeads(around, H / Hk, wide);
  const q = takeRows(p.q, positions);
  const k = takeRows(p.k, keyPositions);
  const v = takeRows(p.v, keyPositions);
  const rule = intervals(c, reach, () => [0, reach]);
  const mask = chunkMask(p, positions, around, { n, c, reach, length, wide }, shape.self);
  if (mask) rule.mask = { data: mask, strides: [c * reach, n * c * reach, reach, 1] };
  const { output, lse } = o.attention({
    batch: n, heads: B * H, keyHeads: B * Hk, queries: c, keys: reach, headDim: D, valueDim: Dv, scale: p.scale, rule,
    q: { tensor: q, offset: 0, strides: [c * D, length * D, D] },
    k: { tensor: k, offset: 0, strides: [c * D, wide * D, D] },
    v: { tensor: v, offset: 0, strides: [c * Dv, wide * Dv, Dv] },
  }); // biome-ignore format: sizes, then operands
  const back = inverse(positions, B * H, L, rounds); // row of each (round, position)
  const sortedOut = o.reshape(o.permute(output, [1, 0, 2, 3]), [B, H, length, Dv]);
  const sortedLse = o.reshape(o.permute(lse, [1, 0, 2]), [B, H, length, 1]);
  return {
    output: o.reshape(takeRows(sortedOut, back), [B, H, rounds, L, Dv]),
    lse: o.reshape(takeRows(sortedLse, back), [B, H, rounds, L]),
  };
}

interface ChunkShape {
  c: number;
  before: number;
  after: number;
  /** Whether a query may see itself. */
  self: boolean;
}

/** The order with the last `before` positions in front of it and the first ones behind, `wide` in all. */
function wrapped(positions: Int32Array, heads: number, length: number, before: number, wide: number): Int32Array {
  return ints(heads * wide, (at) => {
    const [head, n] = [Math.floor(at / wide), at % wide];
    return positions[head * length + ((((n - before) % length) + length) % length)]!;
  });
}

/** Local layers sort nothing, so the heads of a group share one order. */
function ofKeyHeads(around: Int32Array, group: number, wide: number): Int32Array {
  return ints(around.length / group, (at) => around[at % wide]!);
}

/** Row, in the sorted order, of each round and position. */
function inverse(positions: Int32Array, heads: number, L: number, rounds: number): Int32Array {
  const back = new Int32Array(positions.length);
  for (let head = 0, at = 0; head < heads; head++) {
    for (let r = 0; r < rounds; r++) {
      for (let i = 0; i < L; i++, at++) back[head * rounds * L + r * L + positions[at]!] = r * L + i;
    }
  }
  return back;
}

/** [B·H, chunks, c, reach], 1 = may attend: not itself where hashed, nothing absent, nothing later when causal. */
function chunkMask(
  p: Problem,
  positions: Int32Array,
  around: Int32Array,
  { n, c, reach, length, wide }: { n: number; c: number; reach: number; length: number; wide: number },
  self: boolean,
): Uint8Array | undefined {
  if (self && !p.causal && !p.keyMask) return undefined;
  const mask = new Uint8Array(p.batch * p.heads * n * c * reach);
  for (let head = 0, at = 0; head < p.batch * p.heads; head++) {
    const present = p.keyMask?.subarray(Math.floor(head / p.heads) * p.keys);
    for (let row = 0; row < n * c; row++) {
      const query = positions[head * length + row]!;
      const from = head * wide + Math.floor(row / c) * c;
      const last = p.causal ? query : p.keys;
      for (let j = from; j < from + reach; j++, at++) {
        const key = around[j]!;
        mask[at] = key <= last && (self || key !== query) ? 1 : 0;
        if (present && present[key] === 0) mask[at] = 0;
      }
    }
  }
  return mask;
}

/** A sequence that fits in one chunk: every key but the query itself, without hashing and without a map of pairs. */
function whole(p: Problem, k: Tensor, hashing: boolean): Tensor {
  const L = p.queries;
  const over = (interval: Interval) => attend(p.q, k, p.v, p.scale, without(intervals(L, L, interval), p.keyMask, L));
  if (!hashing) return over((i) => [0, p.causal ? i + 1 : L]).output;
  const parts = [over((i) => [0, i])];
  if (!p.causal) parts.push(over((i) => [i + 1, L]));
  const alone = parts.map((part) => emptyRows(ops().reshape(part.lse, [p.batch, p.heads, 1, L]), L));
  return selfWhereAlone(p, merge(parts), alone[0]!.map((empty, row) => (alone.every((a) => a[row]) ? empty : 0))); // biome-ignore format: one line
}

/** Which of the first `queries` rows see nothing in any round; lse [B, H, rounds, L]. */
function emptyRows(lse: Tensor, queries: number): Uint8Array {
  const [B, H, R, L] = lse.shape as [number, number, number, number];
  const data = lse.data;
  const empty = new Uint8Array(B * H * queries).fill(1);
  for (let head = 0; head < B * H; head++) {
    for (let r = 0; r < R; r++) {
      for (let i = 0; i < queries; i++) if (data[(head * R + r) * L + i] !== -Infinity) empty[head * queries + i] = 0;
    }
  }
  return empty;
}

/** A query that sees nothing else sees itself: its output is its own value, unless it is padding itself. */
function selfWhereAlone(p: Problem, output: Tensor, alone: Uint8Array): Tensor {
  if (!alone.includes(1)) return output;
  const own = Int32Array.from(alone, (empty, row) => {
    const item = Math.floor(row / (p.heads * p.queries));
    return empty && p.keyMask?.[item * p.queries + (row % p.queries)] !== 0 ? row : -1;
  });
  return replaceRows(output, p.v, own);
}

function sharedOnly(p: Problem): void {
  if (p.keyHeads !== p.heads) {
    throw new ShapeError({
      where: p.where,
      argument: "k",
      got: `has ${p.keyHeads} heads in ${show(p.k.shape)}`,
      expected: `${p.heads}, as q: hashed queries are the keys`,
    });
  }
  if (p.q === p.k || p.q.storage === p.k.storage) return;
  const [q, k] = [p.q.data, p.k.data];
  for (let i = 0; i < q.length; i++) {
    if (q[i] === k[i] || (Number.isNaN(q[i]) && Number.isNaN(k[i]))) continue;
    throw new OptionError({
      where: p.where,
      argument: "k",
      got: `differs from q, first at number ${i}: ${k[i]} for ${q[i]}`,
      expected: "the same tensor, for hashed queries are the keys (Kitaev et al. 2020 §2, shared-QK)",
      fix: "pass q twice, or hashing: false for local chunks with keys of their own",
    });
  }
}
