/**
 * @file What comes in, brought to one form: operands as [B, H, L, D] whatever their rank, tables as flat integers,
 * padding as one byte per key. Every refusal that concerns shapes or common options is worded here.
 */
import { ops } from "../../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../../tensor/index.js";

/** Integers in a shape: a typed array with its shape, or nested arrays. */
export type Table =
  | { readonly data: ArrayLike<number | bigint>; readonly shape?: readonly number[]; readonly dims?: readonly number[] }
  | NestedNumbers;
export type NestedNumbers = readonly (number | NestedNumbers)[];

/** What every mechanism takes, with the meaning it has in `attention()`. */
export interface CommonOptions {
  /** Factor on q·k; default 1/√D (Vaswani et al. 2017 §3.2.1). */
  scale?: number;
  /** A query sees no later key. With as many keys as queries both corners are the same one. */
  causal?: boolean | "lower-right" | "upper-left";
  /** [B, Lk], 1 = real token, padding on any side. */
  keyPadding?: Table;
  /** Per batch item: keys at and past this index are padding. */
  keyLengths?: ArrayLike<number>;
  /** Where random choices that were not given come from; default 0, so that a run can be repeated. */
  seed?: number;
}

/** An inclusive window around a query's own position. */
export interface Window {
  left: number;
  right: number;
}

/** The operands in one form. B batch · H query heads · Hk key heads · Lq, Lk lengths · D, Dv head sizes. */
export interface Problem {
  /** Who is asked, for errors. */
  where: string;
  /** Axes q came with. */
  rank: number;
  q: Tensor; // [B, H, Lq, D]
  k: Tensor; // [B, Hk, Lk, D]
  v: Tensor; // [B, Hk, Lk, Dv]
  batch: number;
  heads: number;
  keyHeads: number;
  queries: number;
  keys: number;
  headDim: number;
  valueDim: number;
  scale: number;
  causal: boolean;
  /** Position of the first query among the keys. */
  queryOffset: number;
  /** [B, Lk], 0 = absent; undefined when every key is real. */
  keyMask: Uint8Array | undefined;
}

/** Reads operands and common options. @throws {ShapeError | OptionError} one line that names the argument at fault */
export function problem(
  where: string,
  q: Tensor | TensorLike,
  k: Tensor | TensorLike,
  v: Tensor | TensorLike,
  options: CommonOptions,
): Problem {
  const [q4, k4, v4] = [fourAxes(where, "q", q), fourAxes(where, "k", k), fourAxes(where, "v", v)];
  const [batch, heads, queries, headDim] = q4.shape as [number, number, number, number];
  const [, keyHeads, keys] = k4.shape as [number, number, number, number];
  const valueDim = v4.shape[3]!;
  agree(where, "k", "batch", k4, 0, batch, q4);
  agree(where, "k", "headDim", k4, 3, headDim, q4);
  if (keyHeads === 0 || heads % keyHeads !== 0) {
    throw new ShapeError({
      where,
      argument: "k",
      got: `has ${keyHeads} heads in ${show(k4.shape)}`,
      expected: `a number that divides the ${heads} heads of q ${show(q4.shape)}`,
    });
  }
  for (const [axis, name] of [
    [0, "batch"],
    [1, "heads"],
    [2, "length"],
  ] as const) {
    agree(where, "v", name, v4, axis, k4.shape[axis]!, k4, "k");
  }
  const scale = options.scale ?? 1 / Math.sqrt(headDim);
  if (!Number.isFinite(scale)) {
    throw new OptionError({ where, argument: "options.scale", got: `is ${scale}`, expected: "a finite number" });
  }
  return {
    where, rank: (q.shape ?? (q as TensorLike).dims)!.length, q: q4, k: k4, v: v4, batch, heads, keyHeads, queries, keys, headDim, valueDim, scale,
    causal: options.causal !== undefined && options.causal !== false,
    queryOffset: options.causal === "upper-left" ? 0 : keys - queries,
    keyMask: keyMaskOf(where, options, batch, keys),
  }; // biome-ignore format: one field after the other
}

function fourAxes(where: string, argument: string, value: Tensor | TensorLike): Tensor {
  const x = asTensor(value, where, argument);
  const rank = x.shape.length;
  if (rank < 2 || rank > 4) {
    throw new ShapeError({
      where,
      argument,
      got: `has shape ${show(x.shape)}`,
      expected: "[batch, heads, length, headDim], [heads, length, headDim] or [length, headDim]",
    });
  }
  return rank === 4 ? x : ops().reshape(x, [...[1, 1].slice(0, 4 - rank), ...x.shape]);
}

function agree(
  where: string,
  argument: string,
  axisName: string,
  x: Tensor,
  axis: number,
  wanted: number,
  like: Tensor,
  name = "q",
): void {
  // biome-ignore format: eight short arguments
  const got = x.shape[axis]!;
  if (got === wanted) return;
  throw new ShapeError({
    where,
    argument,
    got: `has ${axisName} ${got} in ${show(x.shape)}`,
    expected: `${axisName} ${wanted}, as in ${name} ${show(like.shape)}`,
  });
}

/** Self-attention only. @throws {ShapeError} when there are not as many keys as queries */
export function selfOnly(p: Problem, reason: string): void {
  if (p.queries === p.keys) return;
  throw new ShapeError({
    where: p.where,
    argument: "k",
    got: `has length ${p.keys} where q has ${p.queries}`,
    expected: `as many keys as queries: ${reason}`,
    fix: "use attention() for cross-attention",
  });
}

/** A table as flat integers with a shape. @throws {OptionError} for anything that is neither */
export function integers(
  where: string,
  argument: string,
  value: Table,
): { data: Int32Array; shape: readonly number[] } {
  const { data, shape } = numbers(where, argument, value);
  if (data.every(Number.isInteger)) return { data: Int32Array.from(data), shape };
  throw new OptionError({ where, argument, got: "has a number that is not whole", expected: "whole numbers" });
}

/** A table as flat numbers with a shape. */
export function numbers(where: string, argument: string, value: Table): { data: number[]; shape: readonly number[] } {
  if (Array.isArray(value)) {
    const shape: number[] = [];
    for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
    const data = (value as unknown[]).flat(shape.length - 1 || 1) as number[];
    if (data.length === shape.reduce((n, d) => n * d, 1)) return { data: data.map(Number), shape };
    throw new ShapeError({ where, argument, got: "is a ragged array", expected: "rows of one length" });
  }
  const table = value as Exclude<Table, NestedNumbers>;
  const shape = table?.shape ?? table?.dims;
  if (!table?.data || !shape) {
    throw new OptionError({
      where,
      argument,
      got: `is ${value === null ? "null" : typeof value}`,
      expected: "{ data, shape } or nested arrays",
    });
  }
  return { data: Array.from(table.data as ArrayLike<number | bigint>, Number), shape };
}

function keyMaskOf(where: string, options: CommonOptions, batch: number, keys: number): Uint8Array | undefined {
  const { keyPadding, keyLengths } = options;
  if (keyPadding === undefined && keyLengths === undefined) return undefined;
  const mask = new Uint8Array(batch * keys).fill(1);
  if (keyPadding !== undefined) {
    const { data, shape } = numbers(where, "options.keyPadding", keyPadding);
    if (data.length !== batch * keys) {
      throw new ShapeError({
        where,
        argument: "options.keyPadding",
        got: `has shape ${show(shape)}`,
        expected: show([batch, keys]),
        fix: "give 1 for a real token and 0 for padding, a row per batch item",
      });
    }
    for (let n = 0; n < data.length; n++) if (data[n] === 0) mask[n] = 0;
  }
  if (keyLengths !== undefined) {
    if (keyLengths.length !== batch) {
      throw new ShapeError({
        where,
        argument: "options.keyLengths",
        got: `has ${keyLengths.length} numbers`,
        expected: `${batch}, one per batch item`,
      });
    }
    for (let b = 0; b < batch; b++) {
      const length = Number(keyLengths[b]);
      if (!(Number.isInteger(length) && length >= 0 && length <= keys)) {
        throw new OptionError({
          where,
          argument: `options.keyLengths[${b}]`,
          got: `is ${length}`,
          expected: `a whole number from 0 to ${keys}`,
        });
      }
      mask.fill(0, b * keys + length, (b + 1) * keys);
    }
  }
  return mask.includes(0) ? mask : undefined;
}

/** A whole number of at least `least`. @throws {OptionError} */
export function count(where: string, name: string, value: number, least = 1): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new OptionError({
    where,
    argument: `options.${name}`,
    got: `is ${value}`,
    expected: `a whole number of at least ${least}`,
  });
}

/** Both reaches of a window; a bare number n is n to the left and, unless causal, n to the right. @throws {OptionError} */
export function windowOf(p: Problem, window: Window | number | undefined): Window {
  if (window === undefined) {
    throw new OptionError({
      where: p.where,
      argument: "options.window",
      got: "is missing",
      expected: "{ left, right }, how many tokens a query sees before and after itself",
      fix: "give window: { left: 128, right: 128 }",
    });
  }
  const { left, right } = typeof window === "number" ? { left: window, right: p.causal ? 0 : window } : window;
  for (const [name, reach] of [
    ["left", left],
    ["right", right],
  ] as const) {
    if ((Number.isInteger(reach) || reach === Infinity) && reach >= 0) continue;
    throw new OptionError({
      where: p.where,
      argument: `options.window.${name}`,
      got: `is ${reach}`,
      expected: "a whole number ≥ 0, or Infinity",
      fix: "0 means that a query sees nothing beyond itself on that side",
    });
  }
  return { left, right: p.causal ? 0 : right };
}
