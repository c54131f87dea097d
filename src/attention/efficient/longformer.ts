/**
 * @file Longformer. Beltagy et al. 2020 (arXiv:2004.05150) §3.1: window, dilated window, global tokens.
 *     an ordinary query sees its window and the global tokens: softmax(scale·q kᵀ) v over both, each key once
 *     a global query sees every token, with projections of its own: softmax(scale·q_g k_gᵀ) v_g
 *
 *     ■ ■ ■ ■ ■ ■ ■ ■      window 1, token 0 global; O(L·(w + g))
 *     ■ ■ ■ · · · · ·
 *     ■ ■ ■ ■ · · · ·
 *     ■ · ■ ■ ■ · · ·
 *     ■ · · ■ ■ ■ · ·
 *     ■ · · · ■ ■ ■ ·
 *     ■ · · · · ■ ■ ■
 *     ■ · · · · · ■ ■
 */
import { ops } from "../../kernels/current.js";
import type { AttentionResult } from "../../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../../tensor/index.js";
import { note } from "./cost.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem, selfOnly, type Window, windowOf } from "./operands.js";
import { attend, intervals, merge, without } from "./parts.js";
import { attendResidues } from "./residues.js";
import { replaceRows, takeRows } from "./rows.js";
import { bytes, ints } from "./fill.js";

export interface LongformerOptions extends CommonOptions {
  /** Inclusive reach; Hugging Face's `attention_window` w is { left: w/2, right: w/2 }. */
  window?: Window | number;
  /** Distance between neighbours in the window: one number, or one per head (the paper dilates two heads). Default 1. */
  dilation?: number | readonly number[];
  /** Positions that see all and that all see, for all batch items or one list for each. */
  globalTokens?: readonly number[] | readonly (readonly number[])[];
  /** q, k, v of the rows of global tokens (`query_global` …), shaped as q, k, v; default q, k, v. */
  globalQuery?: Tensor | TensorLike;
  globalKey?: Tensor | TensorLike;
  globalValue?: Tensor | TensorLike;
}

/**
 * A window that reaches every key is exact attention, up to the global rows' own projections.
 * With `causal`, order comes first: global tokens too are seen, and see, only backwards.
 * @throws {OptionError} for a negative window, a global position outside the sequence or more of them than tokens
 */
export const longformer = mechanism<LongformerOptions>("longformer", (p, options) => {
  selfOnly(p, "a window and global tokens are positions of one sequence");
  const globals = globalTokensOf(p, options.globalTokens);
  const window = dilatedWindow(p, options, withoutGlobals(p, globals));
  const G = Math.max(...globals.map((g) => g.length), 0);
  if (G === 0) return merge([window]);
  const seen = merge([window, globalKeys(p, globals, G)]);
  return globalRows(p, options, globals, G, seen);
});

/** The positions for each batch item, sorted. */
function globalTokensOf(p: Problem, given: LongformerOptions["globalTokens"] = []): number[][] {
  const perItem = given.length > 0 && Array.isArray(given[0]);
  if (perItem && given.length !== p.batch) {
    throw new OptionError({
      where: p.where,
      argument: "options.globalTokens",
      got: `has ${given.length} lists`,
      expected: `${p.batch}, one per batch item`,
    });
  }
  return Array.from({ length: p.batch }, (_, b) => {
    const list = [...((perItem ? given[b] : given) as readonly number[])].map(Number).sort((x, y) => x - y);
    if (list.length > p.keys) {
      throw new OptionError({
        where: p.where,
        argument: "options.globalTokens",
        got: `names ${list.length} positions`,
        expected: `at most ${p.keys}, the number of tokens`,
      });
    }
    for (const [n, at] of list.entries()) {
      if (Number.isInteger(at) && at >= 0 && at < p.keys && at !== list[n - 1]) continue;
      throw new OptionError({
        where: p.where,
        argument: "options.globalTokens",
        got: at === list[n - 1] ? `names position ${at} twice` : `names position ${at}`,
        expected: `distinct whole numbers from 0 to ${p.keys - 1}`,
      });
    }
    return list;
  });
}

/** The key mask in which global tokens are absent: they are counted once, among the global keys. */
function withoutGlobals(p: Problem, globals: readonly number[][]): Uint8Array | undefined {
  if (globals.every((g) => g.length === 0)) return p.keyMask;
  const mask = p.keyMask?.slice() ?? new Uint8Array(p.batch * p.keys).fill(1);
  globals.forEach((list, b) => {
    for (const at of list) mask[b * p.keys + at] = 0;
  });
  return mask;
}

/** Window attention; heads with one dilation are computed together. */
function dilatedWindow(p: Problem, options: LongformerOptions, keyMask: Uint8Array | undefined): AttentionResult {
  const { left, right } = windowOf(p, options.window);
  const within = (q: Tensor, k: Tensor, v: Tensor, d: number) => {
    if (p.queries % d !== 0) {
      note(`length ${p.queries} is padded to ${Math.ceil(p.queries / d) * d}, a multiple of dilation ${d}`);
    }
    return attendResidues(q, k, v, p.scale, d, (n) => [n - left, n + right + 1], keyMask);
  };
  const { dilation = 1 } = options;
  if (typeof dilation === "number") return within(p.q, p.k, p.v, count(p.where, "dilation", dilation));
  if (dilation.length !== p.heads) {
    throw new OptionError({
      where: p.where,
      argument: "options.dilation",
      got: `has ${dilation.length} numbers`,
      expected: `${p.heads}, one per head`,
    });
  }
  dilation.forEach((d, h) => void count(p.where, `dilation[${h}]`, d));
  // Runs of key heads whose query heads share a dilation; a group with two dilations is taken head by head.
  const group = p.heads / p.keyHeads;
  const runs: AttentionResult[] = [];
  for (let h = 0; h < p.heads; ) {
    let to = h + 1;
    while (
      to < p.heads &&
      dilation[to] === dilation[h] &&
      (group === 1 || Math.floor(to / group) === Math.floor(h / group))
    )
      to++;
    const [kFrom, kTo] = group === 1 ? [h, to] : [Math.floor(h / group), Math.floor(h / group) + 1];
    const o = ops();
    runs.push(within(o.slice(p.q, 1, h, to), o.slice(p.k, 1, kFrom, kTo), o.slice(p.v, 1, kFrom, kTo), dilation[h]!));
    h = to;
  }
  if (runs.length === 1) return runs[0]!;
  return { output: ops().concat(runs.map((r) => r.output), 1), lse: ops().concat(runs.map((r) => r.lse), 1) }; // biome-ignore format: one line
}

/** Row ids of the global tokens for every head; lists shorter than G repeat their last token, or token 0. */
function globalIds(globals: readonly number[][], heads: number, G: number): Int32Array {
  return ints(globals.length * heads * G, (n) => {
    const list = globals[Math.floor(n / (heads * G))]!;
    return list[Math.min(n % G, list.length - 1)] ?? 0;
  });
}

/** Every query over the global keys. */
function globalKeys(p: Problem, globals: readonly number[][], G: number): AttentionResult {
  const ids = globalIds(globals, p.keyHeads, G);
  const [k, v] = [takeRows(p.k, ids), takeRows(p.v, ids)];
  const rule = intervals(
    p.queries,
    G,
    (i, b) => [0, p.causal ? globals[b]!.filter((g) => g <= i).length : globals[b]!.length],
    p.batch,
  );
  const present = p.keyMask && bytes(p.batch * G, (n) => {
    const b = Math.floor(n / G);
    return p.keyMask![b * p.keys + (globals[b]![n % G] ?? 0)]!;
  }); // biome-ignore format: one thought
  return attend(p.q, k, v, p.scale, without(rule, present, G));
}

/** The rows of global tokens replaced: they see every key, with their own projections. */
function globalRows(
  p: Problem,
  options: LongformerOptions,
  globals: readonly number[][],
  G: number,
  seen: Tensor,
): Tensor {
  const q = own(p, "globalQuery", options.globalQuery, p.q);
  const k = own(p, "globalKey", options.globalKey, p.k);
  const v = own(p, "globalValue", options.globalValue, p.v);
  const queries = takeRows(q, globalIds(globals, p.heads, G));
  const rule = intervals(G, p.keys, (n, b) => [0, p.causal ? (globals[b]![n] ?? -1) + 1 : p.keys], p.batch);
  const rows = attend(queries, k, v, p.scale, without(rule, p.keyMask, p.keys)).output;
  const from = new Int32Array(p.batch * p.heads * p.queries).fill(-1);
  globals.forEach((list, b) => {
    for (let h = 0; h < p.heads; h++) {
      for (const [n, at] of list.entries()) from[(b * p.heads + h) * p.queries + at] = (b * p.heads + h) * G + n;
    }
  });
  return replaceRows(seen, rows, from);
}

function own(p: Problem, name: string, given: Tensor | TensorLike | undefined, like: Tensor): Tensor {
  if (given === undefined) return like;
  const x = asTensor(given, p.where, `options.${name}`);
  if (x.size !== like.size || x.shape.at(-1) !== like.shape.at(-1)) {
    throw new ShapeError({
      where: p.where,
      argument: `options.${name}`,
      got: `has shape ${show(x.shape)}`,
      expected: `${show(like.shape)}, as ${name === "globalQuery" ? "q" : name === "globalKey" ? "k" : "v"}`,
    });
  }
  return x.shape.length === 4 ? x : ops().reshape(x, like.shape);
}
