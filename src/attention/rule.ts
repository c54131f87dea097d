/**
 * @file Options → the rule a kernel reads: one interval of keys per query, and bytes only where no interval can say it.
 *
 *     causal, lower-right   window left 2, right 0   chunk 3          documents 0 0 1 1 1
 *     ■ ■ ■ · ·             ■ · · · ·                ■ ■ ■ · ·        ■ ■ · · ·
 *     ■ ■ ■ ■ ·             ■ ■ · · ·                ■ ■ ■ · ·        ■ ■ · · ·
 *     ■ ■ ■ ■ ■             ■ ■ ■ · ·                ■ ■ ■ · ·        · · ■ ■ ■
 *                           · ■ ■ ■ ·                · · · ■ ■        · · ■ ■ ■
 *                           · · ■ ■ ■                · · · ■ ■        · · ■ ■ ■
 *
 * Intervals intersect by taking the later start and the earlier end, so any number of these rules costs two integers a
 * query. The caller's mask stays where it is and is read with strides; nothing here is Lq × Lk.
 */
import type { AttentionRule } from "../kernels/kernel.js";
import { broadcastStrides, OptionError, ShapeError, show, sizeOf } from "../tensor/index.js";
import { bytes, flat, perBatch, table } from "./lists.js";
import { applyDocuments } from "./documents.js";
import type { Extent, RuleOptions } from "./options.js";

/** Position of the first query per batch item. */
export function queryOffsets(options: RuleOptions, { batch, queries, keys }: Extent, where: string): Int32Array {
  const corner = options.causal === "upper-left" ? 0 : keys - queries;
  return perBatch(options.queryOffset ?? corner, batch, where, "options.queryOffset");
}

/**
 * The rule that options stand for, `maskMod` apart.
 * Cost: O(Lq), or O(B·Lq) when something differs between batch items, and O(B·Lk) to read lists that long.
 */
export function attentionRule(options: RuleOptions, extent: Extent, where = "attention"): AttentionRule {
  checkRule(options, where);
  const { batch, queries, keys } = extent;
  const offsets = queryOffsets(options, extent, where);
  const prefix =
    options.prefixLength === undefined
      ? undefined
      : perBatch(options.prefixLength, batch, where, "options.prefixLength");
  const lengths =
    options.keyLengths === undefined ? undefined : perBatch(options.keyLengths, batch, where, "options.keyLengths");
  checkLengths(lengths, keys, where);
  const differs = (list: Int32Array | undefined): boolean => list?.some((x) => x !== list[0]) ?? false;
  const perItem =
    batch > 1 &&
    (differs(offsets) ||
      differs(prefix) ||
      differs(lengths) ||
      options.keyPadding !== undefined ||
      options.documentIds !== undefined);
  const items = perItem ? batch : 1;
  const rule: AttentionRule = {
    first: new Int32Array(items * queries),
    end: new Int32Array(items * queries).fill(keys),
    perBatch: perItem,
  };
  for (let b = 0; b < items; b++) {
    const rows = [b * queries, (b + 1) * queries] as const;
    applyPositions(rule, rows, options, offsets[b] ?? 0, prefix?.[b]);
    if (lengths) narrow(rule, rows, 0, lengths[b]);
  }
  if (options.keyPadding !== undefined) applyPadding(rule, options.keyPadding, extent, where);
  if (options.documentIds !== undefined) applyDocuments(rule, options.documentIds, extent, offsets, where);
  if (options.mask !== undefined) applyMask(rule, options.mask, extent, where);
  if (options.blockMask !== undefined) applyBlocks(rule, options.blockMask, extent, where);
  for (let r = 0; r < rule.first.length; r++) if (rule.end[r] <= rule.first[r]) rule.first[r] = rule.end[r] = 0;
  return rule;
}

/** Keeps keys from ≤ j < to in rows [rows[0], rows[1]). */
function narrow(rule: AttentionRule, rows: readonly [number, number], from: number, to: number): void {
  for (let r = rows[0]; r < rows[1]; r++) {
    if (from > rule.first[r]) rule.first[r] = from;
    if (to < rule.end[r]) rule.end[r] = to;
  }
}

/** Causal corner, prefix, window and chunk: all by position p = offset + i. */
function applyPositions(
  rule: AttentionRule,
  rows: readonly [number, number],
  { causal, window, chunk }: RuleOptions,
  offset: number,
  prefix: number | undefined,
): void {
  const left = window?.left ?? Number.POSITIVE_INFINITY;
  const right = window?.right ?? Number.POSITIVE_INFINITY;
  const isCausal = causal === undefined ? prefix !== undefined : causal !== false;
  if (!isCausal && !window && chunk === undefined) return;
  for (let r = rows[0]; r < rows[1]; r++) {
    const p = offset + r - rows[0];
    let [first, end] = [p - left, p + right + 1];
    if (isCausal) end = Math.min(end, Math.max(p + 1, prefix ?? 0));
    if (chunk !== undefined) {
      const start = Math.floor(p / chunk) * chunk;
      first = Math.max(first, start);
      end = Math.min(end, start + chunk);
    }
    if (first > rule.first[r]) rule.first[r] = Math.min(first, 0x7fffffff);
    if (end < rule.end[r]) rule.end[r] = Math.max(end, 0);
  }
}

/** Padding at the ends shortens the interval; in the middle it needs a byte per key. */
function applyPadding(rule: AttentionRule, keyPadding: unknown, extent: Extent, where: string): void {
  const argument = "options.keyPadding";
  const { batch, queries, keys } = extent;
  const given = table(keyPadding, batch, keys, where, argument);
  const real = bytes(given.data, where, argument);
  let holes = false;
  const items = rule.perBatch ? batch : 1;
  for (let b = 0; b < items; b++) {
    const row = real.subarray(b * given.stride, b * given.stride + keys);
    const first = row.findIndex((x) => x !== 0);
    let end = keys;
    while (end > 0 && row[end - 1] === 0) end--;
    narrow(rule, [b * queries, (b + 1) * queries], first < 0 ? keys : first, end);
    holes ||= first >= 0 && row.subarray(first, end).includes(0);
  }
  if (holes) rule.keyMask = { data: real, batchStride: given.stride };
}

function applyMask(rule: AttentionRule, mask: unknown, { batch, heads, queries, keys }: Extent, where: string): void {
  const { data, shape } = flat(mask, where, "mask");
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError({
      where,
      argument: "mask",
      got: `has ${data.length} numbers`,
      expected: `${sizeOf(shape)}, the product of its shape ${show(shape)}`,
    });
  }
  const strides = spread(shape, [batch, heads, queries, keys], where, "mask", "[batch, heads, queries, keys]");
  rule.mask = { data: bytes(data, where, "mask"), strides };
}

function applyBlocks(
  rule: AttentionRule,
  blockMask: NonNullable<RuleOptions["blockMask"]>,
  extent: Extent,
  where: string,
): void {
  const argument = "options.blockMask";
  const { data, shape } = flat(blockMask, where, argument);
  const { batch, heads, queries, keys } = extent;
  const size = blockMask.blockSize ?? fittingBlock(shape, queries, keys);
  if (size === undefined || !Number.isInteger(size) || size < 1) {
    throw new OptionError({
      where,
      argument: `${argument}.blockSize`,
      got: `is ${blockMask.blockSize}`,
      expected: `a whole number ≥ 1; no single block size makes ${show(shape)} of ${queries} queries and ${keys} keys`,
      fix: "give { data, shape, blockSize }",
    });
  }
  const target = [batch, heads, Math.ceil(queries / size), Math.ceil(keys / size)];
  const strides = spread(shape, target, where, argument, `[batch, heads, query blocks, key blocks] of ${size}`);
  rule.blocks = { data: bytes(data, where, argument), size, strides };
}

/** The block size when the mask's last two axes leave no choice. */
function fittingBlock(shape: readonly number[], queries: number, keys: number): number | undefined {
  const [rows, columns] = shape.slice(-2);
  return queries / rows === keys / columns && Number.isInteger(keys / columns) ? keys / columns : undefined;
}

/** Strides that read `shape` as `target`, or an error that names the axis. */
export function spread(
  shape: readonly number[],
  target: readonly number[],
  where: string,
  argument: string,
  names: string,
): [number, number, number, number] {
  const lead = 4 - shape.length;
  const bad = target.findIndex((d, axis) => axis >= lead && shape[axis - lead] !== d && shape[axis - lead] !== 1);
  if (lead < 0 || bad >= 0) {
    const got =
      lead < 0
        ? `has ${shape.length} axes in ${show(shape)}`
        : `has ${shape[bad - lead]} on axis ${bad - lead} of ${show(shape)}`;
    throw new ShapeError({
      where,
      argument,
      got,
      expected: `${lead < 0 ? "at most 4" : `${target[bad]} or 1`}, to broadcast to ${show(target)} = ${names}`,
    });
  }
  return broadcastStrides(shape, target, where, argument) as [number, number, number, number];
}

function checkLengths(lengths: Int32Array | undefined, keys: number, where: string): void {
  const bad = lengths?.findIndex((n) => n < 0 || n > keys) ?? -1;
  if (lengths && bad >= 0) {
    throw new OptionError({
      where,
      argument: `options.keyLengths[${bad}]`,
      got: `is ${lengths[bad]}`,
      expected: `0 to ${keys}, the number of keys`,
    });
  }
}

/** Options that are wrong by themselves. */
function checkRule({ causal, window, chunk }: RuleOptions, where: string): void {
  if (causal !== undefined && typeof causal !== "boolean" && causal !== "lower-right" && causal !== "upper-left") {
    throw new OptionError({
      where,
      argument: "options.causal",
      got: `is ${JSON.stringify(causal)}`,
      expected: 'true, false, "lower-right" or "upper-left"',
    });
  }
  if (chunk !== undefined && (!Number.isInteger(chunk) || chunk < 1)) {
    throw new OptionError({
      where,
      argument: "options.chunk",
      got: `is ${chunk}`,
      expected: "a whole number of positions ≥ 1",
    });
  }
  if (window !== undefined && (typeof window !== "object" || window === null)) {
    throw new OptionError({
      where,
      argument: "options.window",
      got: `is ${window}`,
      expected: "{ left, right }, both inclusive",
      fix: `for ${window} keys that end at the query give { left: ${Number(window) - 1}, right: 0 }`,
    });
  }
  for (const side of ["left", "right"] as const) {
    const n = window?.[side];
    if (n !== undefined && n !== null && n !== Number.POSITIVE_INFINITY && (!Number.isInteger(n) || n < 0)) {
      throw new OptionError({
        where,
        argument: `options.window.${side}`,
        got: `is ${n}`,
        expected: "a whole number ≥ 0, or null for no limit",
      });
    }
  }
}
