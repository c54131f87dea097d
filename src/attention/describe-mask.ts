/** @file A mask that prints itself: its shape, the share of pairs it keeps, the rows it empties, and a small picture. */
import { visibleKeys } from "../kernels/rule.js";
import type { Extent, RuleOptions } from "./options.js";
import { attentionRule } from "./rule.js";

/** What options amount to. `String(picture)` is for people. */
export interface MaskPicture {
  shape: [batch: number, heads: number, queries: number, keys: number];
  /** Share of all pairs that may attend, 0 to 1. */
  kept: number;
  /** [batch, head, query] of rows that see nothing; the first hundred. */
  emptyRows: [number, number, number][];
  /** How many rows see nothing. */
  empty: number;
  toString(): string;
}

/** The keys a query sees under options, `maskMod` too. */
function reader(options: RuleOptions, extent: Extent): (b: number, h: number, i: number, into: Int32Array) => number {
  const rule = attentionRule(options, extent, "describeMask");
  const { maskMod } = options;
  return (b, h, i, into) => {
    const n = visibleKeys({ ...extent, rule }, b, h, i, into);
    if (!maskMod) return n;
    let kept = 0;
    for (let at = 0; at < n; at++) if (maskMod(b, h, i, into[at])) into[kept++] = into[at];
    return kept;
  };
}

/**
 * @param extent { batch, heads, queries, keys }, batch and heads 1 when left out
 * @param options.batch,options.head which map the picture shows; default the first
 * Cost: one look at every pair that may attend; memory O(Lk).
 * @example
 * String(describeMask({ causal: true }, { queries: 2, keys: 3 }))  // "[1, 1, 2, 3], 83.3 % kept\n■ ■ ·\n■ ■ ■"
 */
export function describeMask(
  options: RuleOptions,
  size: { queries: number; keys: number; batch?: number; heads?: number },
  show: { batch?: number; head?: number } = {},
): MaskPicture {
  const extent = { batch: 1, heads: 1, ...size };
  const { batch, heads, queries, keys } = extent;
  const read = reader(options, extent);
  const seen = new Int32Array(keys);
  const grid = new Grid(queries, keys);
  const emptyRows: [number, number, number][] = [];
  let [kept, empty] = [0, 0];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const n = read(b, h, i, seen);
        kept += n;
        if (n === 0 && empty++ < 100) emptyRows.push([b, h, i]);
        if (b === (show.batch ?? 0) && h === (show.head ?? 0)) for (let at = 0; at < n; at++) grid.add(i, seen[at]);
      }
    }
  }
  const pairs = batch * heads * queries * keys;
  const share = pairs === 0 ? 0 : kept / pairs;
  const emptyText = empty === 0 ? "" : `, ${empty} of ${batch * heads * queries} rows see nothing`;
  return {
    shape: [batch, heads, queries, keys],
    kept: share,
    emptyRows,
    empty,
    toString: () =>
      `[${batch}, ${heads}, ${queries}, ${keys}], ${(100 * share).toFixed(1)} % kept${emptyText}\n${grid}`,
  };
}

/** ■ all of a cell may attend, ◧ some, · none. A cell is one pair, or more where the map is larger than the picture. */
class Grid {
  readonly #queries: number;
  readonly #keys: number;
  readonly #cell: number;
  readonly #counts: Uint32Array;
  readonly #columns: number;

  constructor(queries: number, keys: number) {
    this.#queries = queries;
    this.#keys = keys;
    this.#cell = Math.max(1, Math.ceil(Math.max(queries, keys) / 32));
    this.#columns = Math.ceil(keys / this.#cell);
    this.#counts = new Uint32Array(Math.ceil(queries / this.#cell) * this.#columns);
  }

  add(i: number, j: number): void {
    this.#counts[Math.floor(i / this.#cell) * this.#columns + Math.floor(j / this.#cell)]++;
  }

  toString(): string {
    const size = (at: number, of: number): number => Math.min(this.#cell, of - at * this.#cell);
    const lines: string[] = [];
    for (let y = 0; y * this.#columns < this.#counts.length; y++) {
      const row = this.#counts.subarray(y * this.#columns, (y + 1) * this.#columns);
      const all = (x: number): number => size(y, this.#queries) * size(x, this.#keys);
      lines.push(Array.from(row, (n, x) => (n === 0 ? "·" : n === all(x) ? "■" : "◧")).join(" "));
    }
    return lines.join("\n");
  }
}

/**
 * The rules of options as one mask of bytes [B, H, Lq, Lk], 1 = may attend: to look at, or to hand to another library.
 * Memory: Lq × Lk bytes a head; nothing in this library needs it.
 */
export function maskTensor(
  options: RuleOptions,
  size: { queries: number; keys: number; batch?: number; heads?: number },
): { data: Uint8Array; shape: number[] } {
  const extent = { batch: 1, heads: 1, ...size };
  const { batch, heads, queries, keys } = extent;
  const read = reader(options, extent);
  const seen = new Int32Array(keys);
  const data = new Uint8Array(batch * heads * queries * keys);
  let at = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++, at += keys) {
        const n = read(b, h, i, seen);
        for (let s = 0; s < n; s++) data[at + seen[s]] = 1;
      }
    }
  }
  return { data, shape: [batch, heads, queries, keys] };
}
