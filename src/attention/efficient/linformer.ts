/**
 * @file Linformer. Wang et al. 2020 (arXiv:2006.04768) eq. 7.
 *     o = softmax(scale·q (Eᵀk)ᵀ) (Fᵀv)      E, F [N, r]: keys and values of N positions mixed into r;  O(Lq·r + Lk·r)
 *
 *     q [Lq, D] ·  ┌ Eᵀ [r, Lk] · k [Lk, D] ┐ᵀ → softmax over r mixtures → · Fᵀ v
 *
 * A mixture holds every position, so no mask over single keys can be kept: there is no causal Linformer.
 */
import { ops } from "../../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, tensor } from "../../tensor/index.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem } from "./operands.js";
import { attend, intervals } from "./parts.js";
import { normals } from "../../tensor/random.js";
import { blank } from "./rows.js";

export interface LinformerOptions extends CommonOptions {
  /** E, [N, r], N ≥ Lk; its first Lk rows are used. */
  projectK?: Tensor | TensorLike;
  /** F, [N, r]; default `projectK`. */
  projectV?: Tensor | TensorLike;
  /** Mixtures r when no projection is given: E = F of normal numbers with variance 1/r (§4.1), from `seed`. Default min(Lk, 256). */
  rank?: number;
}

/**
 * r = Lk with the identity as projection is exact attention. Padding is taken out before keys are mixed.
 * A projection has to be learned: with a random one the error is about √(Lk/r) of the values' spread (docs/efficient/linformer.md).
 * @throws {OptionError} when causal
 */
export const linformer = mechanism<LinformerOptions>("linformer", (p, options) => {
  if (p.causal) {
    throw new OptionError({
      where: p.where,
      argument: "options.causal",
      got: `is ${JSON.stringify(options.causal)}`,
      expected: "false: each projected key mixes all positions, later ones too",
      fix: "use slidingWindow, performer or linearAttention for causal models",
    });
  }
  const rank = count(p.where, "rank", options.rank ?? Math.min(Math.max(1, p.keys), 256));
  const E = projection(p, "projectK", options.projectK) ?? drawn(p, rank, options.seed ?? 0);
  const F = projection(p, "projectV", options.projectV) ?? E;
  const r = E.shape[1]!;
  if (F.shape[1] !== r) {
    throw new ShapeError({
      where: p.where,
      argument: "options.projectV",
      got: `has ${F.shape[1]} columns in ${show(F.shape)}`,
      expected: `${r}, as projectK ${show(E.shape)}`,
    });
  }
  const k = mix(E, blank(p.k, p.keyMask)); // [B, Hk, r, D]
  const v = mix(F, blank(p.v, p.keyMask)); // [B, Hk, r, Dv]
  return attend(
    p.q,
    k,
    v,
    p.scale,
    intervals(p.queries, r, () => [0, r]),
  ).output;
});

/** Eᵀ x for every head: [Lk, r] and [B, Hk, Lk, D] → [B, Hk, r, D]. */
function mix(E: Tensor, x: Tensor): Tensor {
  return ops().matmul(E, x, { transposeA: true });
}

function projection(p: Problem, name: string, given: Tensor | TensorLike | undefined): Tensor | undefined {
  if (given === undefined) return undefined;
  const E = asTensor(given, p.where, `options.${name}`);
  if (E.shape.length !== 2 || E.shape[0]! < p.keys) {
    throw new ShapeError({
      where: p.where,
      argument: `options.${name}`,
      got: `has shape ${show(E.shape)}`,
      expected: `[N, r] with N of at least ${p.keys}, the number of keys`,
    });
  }
  return E.shape[0] === p.keys ? E : ops().slice(E, 0, 0, p.keys);
}

function drawn(p: Problem, rank: number, seed: number): Tensor {
  return tensor(normals(seed, p.keys * rank, 1 / Math.sqrt(rank)), [p.keys, rank]);
}
