/**
 * @file Keys and values of the tokens so far, so that a new token computes only its own.
 *
 *     capacity ├────────────────────────────────┤      one such row of tokens per batch item and head
 *              ░░░░░░░█████████████████▒▒▒          ░ dropped   █ kept   ▒ just appended   then room to grow
 *                     ↑ first kept         ↑ end
 *
 * Attention reads the kept part as a view; nothing is copied for it. With a window, tokens that no later query can see
 * are dropped by moving the start; the kept part is moved to the front only when the room runs out, so an append
 * costs O(1) copies a token on average.
 */
import { defaultKernel } from "../kernels/current.js";
import { rowStart } from "../kernels/layout.js";
import { OptionError, ShapeError, show, Tensor } from "../tensor/index.js";
import { type HeadsView, headsOf } from "./heads.js";

export interface KeyValueCacheOptions {
  /** Keys before a query that it may see (the `left` of its window); older ones are dropped. Default: all are kept. */
  window?: number | undefined;
  /** Tokens to make room for at first; it doubles when full. Default 64. */
  capacity?: number | undefined;
}

/** What an attention over a cache needs beside its queries. */
export interface Cached {
  k: HeadsView;
  v: HeadsView;
  /** Position of the first new query, counted from the first key of these views: `attend`'s queryOffset. */
  queryOffset: number;
}

/** One attention's cache. */
export class KeyValueCache {
  readonly #window: number;
  #capacity: number;
  #k: Tensor | undefined; // [B, Hk, capacity, D]
  #v: Tensor | undefined; // [B, Hk, capacity, Dv]
  #first = 0; // where the kept tokens begin
  #end = 0; // and end
  #seen = 0; // tokens ever appended

  constructor(options: KeyValueCacheOptions = {}) {
    const { window = Number.POSITIVE_INFINITY, capacity = 64 } = options;
    if (!(window >= 0)) {
      throw new OptionError({
        where: "KeyValueCache",
        argument: "options.window",
        got: `is ${window}`,
        expected: "a whole number ≥ 0",
      });
    }
    this.#window = window;
    this.#capacity = Math.max(1, capacity);
  }

  /** Tokens appended so far: the absolute position of the next one. */
  get length(): number {
    return this.#seen;
  }

  /** Tokens still held. */
  get kept(): number {
    return this.#end - this.#first;
  }

  /**
   * Adds tokens and gives the views to attend over: the new ones and all before them that the first new query may see.
   * @param k,v [B, Hk, L, D] and [B, Hk, L, Dv], as tensors or views; their numbers are copied
   * @throws {ShapeError} when they do not fit what is in the cache
   */
  append(k: HeadsView | Tensor, v: HeadsView | Tensor): Cached {
    const [newK, newV] = [k instanceof Tensor ? headsOf(k) : k, v instanceof Tensor ? headsOf(v) : v];
    this.#check("k", newK, this.#k);
    this.#check("v", newV, this.#v);
    if (newK.length !== newV.length) {
      throw new ShapeError({
        where: "KeyValueCache",
        argument: "v",
        got: `has ${newV.length} tokens`,
        expected: `${newK.length}, as in k`,
      });
    }
    this.#first = Math.max(this.#first, this.#end - this.#window); // the first new query looks back so far
    this.#reserve(newK, newV);
    copyRows(newK, this.#k!, this.#end);
    copyRows(newV, this.#v!, this.#end);
    const queryOffset = this.#end - this.#first;
    this.#end += newK.length;
    this.#seen += newK.length;
    return { k: this.#view(this.#k!), v: this.#view(this.#v!), queryOffset };
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    for (const t of [this.#k, this.#v]) if (t) defaultKernel().free(t);
    this.#k = this.#v = undefined;
    this.#first = this.#end = this.#seen = 0;
  }

  #view(whole: Tensor): HeadsView {
    const view = headsOf(whole);
    return { ...view, offset: this.#first * view.headDim, length: this.kept };
  }

  /** Room for L more tokens: the kept part moves to the front, into a store twice as long where it must. */
  #reserve(k: HeadsView, v: HeadsView): void {
    if (this.#k && this.#end + k.length <= this.#capacity) return;
    const need = this.kept + k.length;
    while (this.#capacity < 2 * need) this.#capacity *= 2; // at least half is free after a move
    const move = (old: Tensor | undefined, like: HeadsView): Tensor => {
      const next = defaultKernel().allocate([like.batch, like.heads, this.#capacity, like.headDim]);
      if (old) copyRows(this.#view(old), next, 0);
      if (old) defaultKernel().free(old);
      return next;
    };
    [this.#k, this.#v] = [move(this.#k, k), move(this.#v, v)];
    [this.#first, this.#end] = [0, this.kept];
  }

  #check(argument: string, given: HeadsView, whole: Tensor | undefined): void {
    if (!whole) return;
    const [batch, heads, , headDim] = whole.shape;
    if (given.batch === batch && given.heads === heads && given.headDim === headDim) return;
    throw new ShapeError({
      where: "KeyValueCache",
      argument,
      got: `has shape ${show([given.batch, given.heads, given.length, given.headDim])}`,
      expected: `${show([batch, heads, given.length, headDim])}, as what the cache holds`,
      fix: "clear() before another batch",
    });
  }
}

/** Numbers that are moved one by one sooner than a view of them is made. */
const SHORT = 128;

/** Copies all rows of a view into [B, H, capacity, D] from row `at` on. */
function copyRows(from: HeadsView, into: Tensor, at: number): void {
  const to = headsOf(into);
  const [source, target, D] = [from.tensor.data, into.data, from.headDim];
  const together = from.strides[2] === D; // rows follow each other: one run a head
  for (let b = 0; b < from.batch; b++) {
    for (let h = 0; h < from.heads; h++) {
      const rows = together ? 1 : from.length;
      const n = together ? from.length * D : D;
      for (let i = 0; i < rows; i++) {
        const [start, end] = [rowStart(from, b, h, i), rowStart(to, b, h, at + i)];
        if (n <= SHORT) for (let d = 0; d < n; d++) target[end + d] = source[start + d];
        else target.set(source.subarray(start, start + n), end);
      }
    }
  }
}
