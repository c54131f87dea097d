/** @file Operands and options → the one call a kernel understands. */
import type { AttentionCall, AttentionRule } from "../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor } from "../tensor/index.js";
import { alibiSlopes } from "./alibi.js";
import { flat } from "./lists.js";
import type { Operands } from "./operands.js";
import type { AttentionOptions, BiasView, Extent } from "./options.js";
import { attentionRule, queryOffsets, spread } from "./rule.js";

export interface CallOptions extends AttentionOptions {
  /** A rule made once by `attentionRule`, for every layer of a model; then no option about who may attend is read. */
  rule?: AttentionRule | undefined;
  outputLayout?: "heads" | "merged" | undefined;
}

/**
 * The call, `maskMod` apart where it stands alone: see `attention`.
 * @param foldMask put `maskMod` into the score function, where a pair at a time is computed anyway
 */
export function attentionCall(
  { q, k, v }: Operands,
  options: CallOptions,
  where = "attention",
  foldMask = false,
): AttentionCall {
  const extent = extentOf({ q, k });
  const { softcap, threads } = options;
  const scale = finite(options.scale ?? 1 / Math.sqrt(q.headDim), where, "options.scale");
  if (softcap !== undefined && !(softcap >= 0 && softcap < Number.POSITIVE_INFINITY)) {
    throw new OptionError({
      where,
      argument: "options.softcap",
      got: `is ${softcap}`,
      expected: "a number > 0; 0 is none",
    });
  }
  const scoreMod = foldMask ? foldedScore(options) : options.scoreMod;
  return {
    batch: q.batch,
    heads: q.heads,
    keyHeads: k.heads,
    queries: q.length,
    keys: k.length,
    headDim: q.headDim,
    valueDim: v.headDim,
    q,
    k,
    v,
    scale,
    rule: options.rule ?? attentionRule(options, extent, where),
    ...(softcap ? { softcap } : {}),
    ...(options.bias !== undefined && { bias: biasView(options.bias, extent, where) }),
    ...(options.alibi !== undefined && options.alibi !== false && { alibi: slopes(options, extent, where) }),
    ...(options.sinks !== undefined && { sinks: sinkLogits(options.sinks, q.heads, where) }),
    ...(options.dropout && { dropout: dropoutOf(options.dropout, where) }),
    ...(scoreMod && { scoreMod }),
    ...(options.outputLayout !== undefined && { outputLayout: options.outputLayout }),
    ...(threads !== undefined && { threads }),
  };
}

export function extentOf({ q, k }: Pick<Operands, "q" | "k">): Extent {
  return { batch: q.batch, heads: q.heads, queries: q.length, keys: k.length };
}

/** `maskMod` as a score of −∞. */
function foldedScore({ maskMod, scoreMod }: AttentionOptions): AttentionOptions["scoreMod"] {
  if (!maskMod) return scoreMod;
  return (s, b, h, i, j) => (maskMod(b, h, i, j) ? (scoreMod?.(s, b, h, i, j) ?? s) : Number.NEGATIVE_INFINITY);
}

const isView = (bias: object): bias is BiasView => "tensor" in bias && "strides" in bias;

function biasView(bias: NonNullable<AttentionOptions["bias"]>, extent: Extent, where: string): BiasView {
  if (isView(bias)) {
    checkReach(bias, extent, where);
    return bias;
  }
  const tensor = asTensor(bias, where, "bias");
  const { batch, heads, queries, keys } = extent;
  const strides = spread(tensor.shape, [batch, heads, queries, keys], where, "bias", "[batch, heads, queries, keys]");
  return { tensor, offset: 0, strides };
}

/** A view made for other lengths would be read outside its numbers. */
function checkReach(
  { tensor, offset, strides }: BiasView,
  { batch, heads, queries, keys }: Extent,
  where: string,
): void {
  const sizes = [batch, heads, queries, keys];
  if (sizes.includes(0)) return;
  let [low, high] = [offset, offset];
  strides.forEach((s, axis) => {
    if (s < 0) low += s * (sizes[axis] - 1);
    else high += s * (sizes[axis] - 1);
  });
  if (low < 0 || high >= tensor.size) {
    throw new ShapeError({
      where,
      argument: "bias",
      got: `is a view that reads numbers ${low} to ${high} of ${tensor.size}`,
      expected: `one made for ${show(sizes)} = [batch, heads, queries, keys]`,
      fix: `make it with relativeBias(…, { queries: ${queries}, keys: ${keys} })`,
    });
  }
}

function slopes(options: AttentionOptions, extent: Extent, where: string): NonNullable<AttentionCall["alibi"]> {
  const { heads, batch } = extent;
  const offsets = queryOffsets(options, { ...extent, batch: Math.max(batch, 1) }, where);
  if (offsets.some((x) => x !== offsets[0])) {
    throw new OptionError({
      where,
      argument: "options.queryOffset",
      got: `differs between batch items: ${[...offsets].join(", ")}`,
      expected: "one number where alibi is used",
      fix: "call once per batch item",
    });
  }
  if (options.alibi === true) return { slopes: Float32Array.from(alibiSlopes(heads)), queryOffset: offsets[0] };
  const { data } = flat(options.alibi, where, "options.alibi");
  if (data.length !== heads) {
    throw new ShapeError({
      where,
      argument: "options.alibi",
      got: `has ${data.length} slopes`,
      expected: `${heads}, one per head`,
    });
  }
  return { slopes: Float32Array.from(data as ArrayLike<number>), queryOffset: offsets[0] };
}

function sinkLogits(sinks: NonNullable<AttentionOptions["sinks"]>, heads: number, where: string): Tensor {
  const like = "data" in sinks ? sinks : { data: sinks, shape: [sinks.length] };
  const tensor = asTensor(like, where, "options.sinks");
  if (tensor.size !== heads) {
    throw new ShapeError({
      where,
      argument: "options.sinks",
      got: `has shape ${show(tensor.shape)}`,
      expected: `[${heads}], one per head`,
    });
  }
  return tensor;
}

function dropoutOf(dropout: NonNullable<AttentionOptions["dropout"]>, where: string): { rate: number; seed: number } {
  const { rate, seed = 0 } = typeof dropout === "number" ? { rate: dropout } : dropout;
  if (!(rate >= 0 && rate < 1)) {
    throw new OptionError({
      where,
      argument: "options.dropout",
      got: `is ${rate}`,
      expected: "a share from 0 up to, not including, 1",
    });
  }
  return { rate, seed };
}

function finite(x: number, where: string, argument: string): number {
  if (typeof x !== "number" || !Number.isFinite(x)) {
    throw new OptionError({ where, argument, got: `is ${x}`, expected: "a finite number" });
  }
  return x;
}
