/** @file Attention calls of every kind, each axis another prime so that two swapped axes cannot pass. */
import { attentionCall, type CallOptions } from "../../src/attention/call.js";
import { type HeadsView, headsOf, viewHeads } from "../../src/attention/heads.js";
import { relativeBias } from "../../src/attention/relative-bias.js";
import type { AttentionCall } from "../../src/kernels/kernel.js";
import type { Tensor } from "../../src/tensor/index.js";
import { bits, normal, whole } from "./numbers.js";

export interface Sizes {
  B: number;
  H: number;
  Hk: number;
  Lq: number;
  Lk: number;
  D: number;
  Dv: number;
}

export interface AttentionCase {
  name: string;
  sizes: Sizes;
  options?: (s: Sizes) => CallOptions;
  /** [B, L, H·D] operands read as views, fused where q, k and v are alike. */
  views?: "merged" | "fused";
}

const primes: Sizes = { B: 2, H: 6, Hk: 3, Lq: 7, Lk: 11, D: 13, Dv: 17 };
const square: Sizes = { B: 1, H: 2, Hk: 2, Lq: 67, Lk: 67, D: 32, Dv: 32 };
const long: Sizes = { B: 1, H: 2, Hk: 1, Lq: 101, Lk: 211, D: 64, Dv: 64 };
const byte = (seed: number, shape: number[], share: number) => ({
  data: bits(
    seed,
    shape.reduce((n, d) => n * d, 1),
    share,
  ),
  shape,
});

export const attentionCases: AttentionCase[] = [
  { name: "nothing said", sizes: primes },
  { name: "one token, one number", sizes: { B: 1, H: 1, Hk: 1, Lq: 1, Lk: 1, D: 1, Dv: 1 } },
  { name: "one new token over a long cache", sizes: { ...long, Lq: 1 }, options: () => ({ causal: true }) },
  {
    name: "heads of 128",
    sizes: { B: 1, H: 2, Hk: 1, Lq: 37, Lk: 53, D: 128, Dv: 128 },
    options: () => ({ causal: true }),
  },
  { name: "causal, lower right", sizes: primes, options: () => ({ causal: true }) },
  { name: "causal, upper left", sizes: primes, options: () => ({ causal: "upper-left" }) },
  {
    name: "causal with more queries than keys: first rows are empty",
    sizes: { ...primes, Lq: 11, Lk: 7 },
    options: () => ({ causal: true }),
  },
  { name: "causal over several tiles", sizes: long, options: () => ({ causal: true }) },
  { name: "window", sizes: long, options: () => ({ window: { left: 19, right: 5 } }) },
  {
    name: "causal window of few keys",
    sizes: square,
    options: () => ({ causal: true, window: { left: 2, right: 0 } }),
  },
  { name: "chunk", sizes: square, options: () => ({ causal: true, chunk: 13 }) },
  { name: "prefix", sizes: square, options: () => ({ prefixLength: 23 }) },
  { name: "key lengths, one of them 0", sizes: primes, options: () => ({ keyLengths: [0, 5] }) },
  {
    name: "padding at the left and in the middle",
    sizes: primes,
    options: () => ({
      keyPadding: [
        [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1],
      ],
    }),
  },
  {
    name: "documents in order",
    sizes: square,
    options: (s) => ({ causal: true, documentIds: Array.from({ length: s.Lk }, (_, j) => Math.floor(j / 23)) }),
  },
  {
    name: "documents out of order",
    sizes: primes,
    options: (s) => ({ documentIds: { query: [...whole(5, s.Lq, 3)], key: [...whole(6, s.Lk, 3)] } }),
  },
  { name: "block mask", sizes: long, options: () => ({ blockMask: { ...byte(9, [2, 7, 14], 0.5), blockSize: 16 } }) },
  { name: "mask of every axis", sizes: primes, options: (s) => ({ mask: byte(10, [s.B, s.H, s.Lq, s.Lk], 0.6) }) },
  {
    name: "mask shared by batch and heads, over several tiles",
    sizes: long,
    options: (s) => ({ mask: byte(11, [s.Lq, s.Lk], 0.5) }),
  },
  {
    name: "mask per key only, with causal",
    sizes: primes,
    options: (s) => ({ causal: true, mask: byte(12, [s.B, 1, 1, s.Lk], 0.5) }),
  },
  { name: "a mask that lets nothing through", sizes: primes, options: (s) => ({ mask: byte(13, [s.Lq, s.Lk], 0) }) },
  {
    name: "every rule at once",
    sizes: square,
    options: (s) => ({
      causal: true,
      window: { left: 31 },
      chunk: 47,
      keyLengths: [61],
      keyPadding: [[...bits(14, s.Lk, 0.9)]],
      mask: byte(15, [s.H, s.Lq, s.Lk], 0.8),
      documentIds: [...whole(16, s.Lk, 2)],
    }),
  },
  { name: "bias of every axis", sizes: primes, options: (s) => ({ bias: normal(20, [s.B, s.H, s.Lq, s.Lk]) }) },
  {
    name: "bias shared by the batch, over several tiles",
    sizes: long,
    options: (s) => ({ causal: true, bias: normal(21, [s.H, s.Lq, s.Lk]) }),
  },
  { name: "bias per key only", sizes: primes, options: (s) => ({ bias: normal(22, [s.B, 1, 1, s.Lk]) }) },
  {
    name: "bias by distance",
    sizes: primes,
    options: (s) => ({
      scale: 1,
      bias: relativeBias(normal(23, [32, s.H]), { queries: s.Lq, keys: s.Lk, bidirectional: true }),
    }),
  },
  { name: "bias with −Infinity", sizes: primes, options: (s) => ({ bias: withHoles(normal(24, [s.Lq, s.Lk])) }) },
  { name: "softcap", sizes: square, options: () => ({ softcap: 0.7 }) },
  {
    name: "softcap, bias and a mask",
    sizes: primes,
    options: (s) => ({ softcap: 2, bias: normal(25, [s.Lq, s.Lk]), mask: byte(26, [s.Lq, s.Lk], 0.7) }),
  },
  { name: "ALiBi", sizes: long, options: () => ({ causal: true, alibi: true }) },
  {
    name: "ALiBi from another position",
    sizes: primes,
    options: (s) => ({ alibi: Array.from({ length: s.H }, (_, h) => 1 / (h + 2)), queryOffset: 3 }),
  },
  { name: "sinks", sizes: primes, options: (s) => ({ causal: true, sinks: normal(27, [s.H]) }) },
  {
    name: "sinks over empty rows",
    sizes: { ...primes, Lq: 11, Lk: 7 },
    options: (s) => ({ causal: true, sinks: normal(28, [s.H]) }),
  },
  { name: "dropout", sizes: square, options: () => ({ dropout: { rate: 0.3, seed: 4 } }) },
  {
    name: "dropout with causal and grouped heads",
    sizes: long,
    options: () => ({ causal: true, dropout: { rate: 0.1, seed: -7 } }),
  },
  {
    name: "a score function",
    sizes: primes,
    options: () => ({
      scoreMod: (s, _b, h, i, j) => (j === 3 ? Number.NEGATIVE_INFINITY : Math.sin(s) * (h + 1) + 0.1 * (i - j)),
    }),
  },
  { name: "scores of several hundred", sizes: primes, options: () => ({ scale: 40 }) },
  {
    name: "merged operands and a merged result",
    sizes: primes,
    views: "merged",
    options: () => ({ causal: true, outputLayout: "merged" }),
  },
  {
    name: "a fused projection",
    sizes: { ...square, B: 2, Dv: 32 },
    views: "fused",
    options: () => ({ causal: true, outputLayout: "merged" }),
  },
  { name: "no queries", sizes: { ...primes, Lq: 0 } },
  { name: "no keys", sizes: { ...primes, Lk: 0 } },
  { name: "no batch", sizes: { ...primes, B: 0 } },
];

function withHoles(bias: Tensor): Tensor {
  const holes = bits(1, bias.size, 0.3);
  bias.data.forEach((_, n) => {
    if (holes[n]) bias.data[n] = Number.NEGATIVE_INFINITY;
  });
  return bias;
}

/** The tensors of a case (q, k, v, then bias and sinks where there are any) and the call over tensors of those shapes. */
export function build({ sizes, options, views }: AttentionCase): {
  inputs: Tensor[];
  call: (inputs: readonly Tensor[]) => AttentionCall;
} {
  const { B, H, Hk, Lq, Lk, D, Dv } = sizes;
  const given = options?.(sizes) ?? {};
  const shapes =
    views === "fused"
      ? [[B, Lq, 3 * H * D]]
      : views === "merged"
        ? [
            [B, Lq, H * D],
            [B, Lk, Hk * D],
            [B, Lk, Hk * Dv],
          ]
        : [
            [B, H, Lq, D],
            [B, Hk, Lk, D],
            [B, Hk, Lk, Dv],
          ];
  const inputs = shapes.map((shape, n) => normal(100 + n, shape));
  const first = attentionCall(operandsOf(inputs, sizes, views), given);
  const extras = [first.bias?.tensor, first.sinks].filter((t) => t !== undefined);
  return {
    inputs: [...inputs, ...extras],
    call: (now) => {
      const rest = now.slice(inputs.length);
      return {
        ...first,
        ...operandsOf(now, sizes, views),
        ...(first.bias && { bias: { ...first.bias, tensor: rest[0] } }),
        ...(first.sinks && { sinks: rest[rest.length - 1] }),
      };
    },
  };
}

function operandsOf(
  x: readonly Tensor[],
  { H, Hk, D }: Sizes,
  views: AttentionCase["views"],
): { q: HeadsView; k: HeadsView; v: HeadsView } {
  if (views === "fused") {
    const third = (n: number): HeadsView => viewHeads(x[0], H, n * H * D, H * D);
    return { q: third(0), k: third(1), v: third(2) };
  }
  if (views === "merged") return { q: viewHeads(x[0], H), k: viewHeads(x[1], Hk), v: viewHeads(x[2], Hk) };
  return { q: headsOf(x[0]), k: headsOf(x[1]), v: headsOf(x[2]) };
}
