/**
 * @file Streaming attention with sinks. Xiao et al. 2023 (arXiv:2309.17453) §3.2–3.3.
 *     query i sees the first s tokens (the sinks) and the last w, its own included: a cache of s + w rows at any length
 *
 *     ■ · · · · · · ·      1 sink, window 3
 *     ■ ■ · · · · · ·      Positions count inside the cache: once it is full, the sinks stand s + w − 1 … w before the
 *     ■ ■ ■ · · · · ·      query, however long ago they were read. Given `rotary`, q and k come unturned and are turned
 *     ■ ■ ■ ■ · · · ·      here: in the window by their true distance, towards the sinks by the query's cache position.
 *     ■ · ■ ■ ■ · · ·
 *     ■ · · ■ ■ ■ · ·
 *     ■ · · · ■ ■ ■ ·
 *     ■ · · · · ■ ■ ■
 */
import { ops } from "../../kernels/current.js";
import { OptionError, ShapeError, type Tensor, tensor } from "../../tensor/index.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem, type Window } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { floats, ints } from "./fill.js";

export interface StreamingOptions extends CommonOptions {
  /** Tokens at the start that stay; default 4, beyond which the paper finds no gain (its Table 2). */
  sinks?: number;
  /** Keys of the rolling part, the query's own included; { left } counts those before it. Default 1024 − sinks. */
  window?: number | Window;
  /** Turns q and k by rotary positions inside the cache. Without it they are taken as they are. */
  rotary?: StreamingRotary;
}

export interface StreamingRotary {
  /** Base of the angles; default 10000 (Su et al. 2021, arXiv:2104.09864). */
  base?: number;
  /** Leading numbers of a head that turn; default all. */
  dim?: number;
  /** Pairs (0, 1), (2, 3) … instead of (i, i + dim/2); default false. */
  interleaved?: boolean;
}

/**
 * Causal by nature. What a model sees that keeps s + w rows of its cache, for every position at once; exact attention
 * while a sequence fits. O(L·(s + w)). Fewer queries than keys are the last ones.
 */
export const streaming = mechanism<StreamingOptions>("streaming", (p, options) => {
  if (options.causal === false) {
    throw new OptionError({
      where: p.where,
      argument: "options.causal",
      got: "is false",
      expected: "true or nothing: a stream has no later tokens",
      fix: "use slidingWindow or longformer for attention in both directions",
    });
  }
  if (p.queries > p.keys) {
    throw new ShapeError({
      where: p.where,
      argument: "k",
      got: `has length ${p.keys} where q has ${p.queries}`,
      expected: "at least as many keys as queries: queries are the last tokens of the stream",
      fix: "use attention() for cross-attention",
    });
  }
  const sinks = count(p.where, "sinks", options.sinks ?? 4, 0);
  const { window = Math.max(1, 1024 - sinks) } = options;
  const rolling = count(p.where, "window", typeof window === "number" ? window : window.left + 1);
  const at = (i: number) => p.queryOffset + i;
  const near = intervals(p.queries, p.keys, (i) => [Math.max(sinks, at(i) - rolling + 1), at(i) + 1]);
  const far = intervals(p.queries, p.keys, (i) => [0, Math.min(sinks, at(i) + 1)]);
  const turn = options.rotary && turner(p, options.rotary);
  const k = turn ? turn(p.k, (j) => j) : p.k;
  const [qNear, qFar] = turn ? [turn(p.q, at), turn(p.q, (i) => Math.min(at(i), sinks + rolling - 1))] : [p.q, p.q];
  const parts = [attend(qNear, k, p.v, p.scale, without(near, p.keyMask, p.keys))];
  if (sinks > 0) parts.push(attend(qFar, k, p.v, p.scale, without(far, p.keyMask, p.keys)));
  return merge(parts);
});

/** Turns the rows of [B, H, L, D] by the angles of a position per row. */
function turner(p: Problem, { base = 10000, dim = p.headDim, interleaved = false }: StreamingRotary) {
  if (!(Number.isInteger(dim) && dim > 0 && dim <= p.headDim && dim % 2 === 0)) {
    throw new OptionError({
      where: p.where,
      argument: "options.rotary.dim",
      got: `is ${dim}`,
      expected: `an even number from 2 to headDim ${p.headDim}`,
    });
  }
  const half = dim / 2;
  const angle = (n: number) => Math.floor(n / half) * base ** (-(n % half) / half);
  const table = (f: (x: number) => number) =>
    tensor(
      floats(p.keys * half, (n) => f(angle(n))),
      [p.keys, half],
    );
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  return (x: Tensor, position: (row: number) => number): Tensor => {
    const [B, H, L, D] = x.shape as [number, number, number, number];
    const positions = ints(B * H * L, (r) => Math.max(0, position(r % L)));
    const rows = ops().rotary(ops().reshape(x, [B * H * L, D]), cos, sin, positions, { interleaved, dim });
    return ops().reshape(rows, [B, H, L, D]);
  };
}
