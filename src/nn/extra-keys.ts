/**
 * @file Keys beside those of the text: torch's `bias_k`/`bias_v` (learned) and `add_zero_attn` (zeros).
 *
 * They stand last, in the order named, and every query sees them whatever the rules say about the text. Rules speak of
 * positions and an extra key has none, so with extra keys they are worked out for the text's keys alone and handed on as
 * one boolean mask with visible columns behind it: Lq × Lk bytes, paid only by layers that have extra keys.
 */
import { type AttentionOptions, maskTensor } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { asTensor, OptionError, type Tensor, type TensorLike, zeros } from "../tensor/index.js";

/** One more key and value: learned, [1, 1, d] each, or zeros. */
export type Extra = { k: Tensor; v: Tensor } | "zeros";

/**
 * @param projected q [B, Lq, d], k and v [B, Lk, d]
 * @returns k and v with the extra rows, and options that let every query see them
 */
export function withExtraKeys<O extends AttentionOptions>(
  projected: { q: Tensor; k: Tensor; v: Tensor },
  heads: number,
  extras: readonly Extra[],
  options: O,
): { k: Tensor; v: Tensor; options: O } {
  const { q, k, v } = projected;
  if (extras.length === 0) return { k, v, options };
  const [batch, keys, d] = k.shape as [number, number, number];
  const none = zeros([batch, 1, d]);
  const row = (learned: Tensor | undefined): Tensor => (learned ? ops().binary("add", none, learned) : none);
  const extent = { batch, heads, queries: q.shape[1]!, keys };
  return {
    k: ops().concat([k, ...extras.map((e) => row(e === "zeros" ? undefined : e.k))], 1),
    v: ops().concat([v, ...extras.map((e) => row(e === "zeros" ? undefined : e.v))], 1),
    options: widened(options, extent, extras.length),
  };
}

interface Extent {
  batch: number;
  heads: number;
  queries: number;
  keys: number;
}

/** Names of options that say who may attend to whom. */
const RULES = [
  "causal", "queryOffset", "mask", "keyLengths", "keyPadding", "window", "chunk", "prefixLength", "documentIds",
  "blockMask", "maskMod",
] as const; // biome-ignore format: a list

function widened<O extends AttentionOptions>(options: O, extent: Extent, extra: number): O {
  const { keys } = extent;
  const rest: O = { ...options };
  for (const name of RULES) delete rest[name];
  if (options.alibi) {
    throw new OptionError({
      where: "MultiHeadAttention",
      argument: "options.alibi",
      got: "is set beside biasKV or zeroKV",
      expected: "one or the other: an extra key has no distance",
    });
  }
  const { bias, scoreMod } = options;
  if (RULES.some((name) => options[name] !== undefined)) rest.mask = visibleBehind(maskTensor(options, extent), extra);
  if (bias) rest.bias = zerosBehind(bias as TensorLike, keys, extra);
  if (scoreMod) rest.scoreMod = (s, b, h, i, j) => (j < keys ? scoreMod(s, b, h, i, j) : s);
  return rest;
}

/** A mask [B, H, Lq, Lk] with columns of ones behind it. */
function visibleBehind(mask: { data: ArrayLike<number>; shape: readonly number[] }, extra: number): TensorLike {
  const keys = mask.shape.at(-1)!;
  const rows = mask.data.length / Math.max(keys, 1);
  const data = new Uint8Array(rows * (keys + extra)).fill(1);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < keys; j++) data[r * (keys + extra) + j] = mask.data[r * keys + j]!;
  }
  return { data, shape: [...mask.shape.slice(0, -1), keys + extra] };
}

/** A bias that broadcasts to […, Lk] with columns of zeros behind it. */
function zerosBehind(bias: TensorLike, keys: number, extra: number): Tensor {
  const b = asTensor(bias, "MultiHeadAttention", "options.bias");
  const lead = b.shape.slice(0, -1);
  const full = b.shape.at(-1) === keys ? b : ops().binary("add", zeros([...lead, keys]), b);
  return ops().concat([full, zeros([...lead, extra])], lead.length);
}
