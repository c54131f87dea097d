/**
 * @file Performer. Choromanski et al. 2021 (arXiv:2009.14794) eq. 3–5: FAVOR+.
 *     o_i = φ(q_i)·Σ_j φ(k_j) v_jᵀ / φ(q_i)·Σ_j φ(k_j)         the sums once for all queries: O(L·m·(D + Dv))
 *
 *     causal: the sums run up to i, kept from chunk to chunk (§2.1, prefix sums). No L × L map, at no length.
 */
import { ops } from "../../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike } from "../../tensor/index.js";
import { drawProjection, type FeatureMap, type Shared, softmaxFeatures } from "./features.js";
import { kernelAttention } from "./kernel-attention.js";
import { mechanism } from "./mechanism.js";
import { type CommonOptions, count, type Problem, selfOnly } from "./operands.js";

export interface PerformerOptions extends CommonOptions {
  /** Rows ω of the feature map, [m, D] (`projection_matrix`). */
  projection?: Tensor | TensorLike;
  /** m where no projection is given; default ⌊D·ln D⌋, performer-pytorch's reading of the paper's Θ(D log D). */
  features?: number;
  /** Orthogonal rows where drawn (Theorem 2: never worse in the mean); default true. */
  orthogonal?: boolean;
  /**
   * As a layer's attention only: features are drawn anew after so many training passes (those whose slopes are recorded),
   * each time from the next seed; passes that are only read keep the last ones. Choromanski et al. §4.2 redraw while
   * training so that a model does not lean on one bad draw; performer-pytorch's `feature_redraw_interval` is 1000. Default: never.
   */
  redraw?: number;
  /** "softmax", or "relu": φ = max(ωx, 0) + ε (§2.2, generalised attention). */
  kernel?: "softmax" | "relu";
  /** Which features of the softmax kernel; default "positive". "trigonometric" can give negative weights: for comparison. */
  featureMap?: FeatureMap;
  /** ε of the features; default 1e-4 for softmax (0 with other feature maps), 1e-3 for relu. 0 is the unbiased estimator of Lemma 2. */
  epsilon?: number;
  /** Added to every summed key feature of the denominator; default 0 (performer-pytorch: 1e-6 when causal). */
  denominatorEpsilon?: number;
  /** Tokens computed at once when causal; default 64. */
  chunk?: number;
}

/**
 * Approximates softmax attention without a map. Another `seed` redraws the features.
 * x is scaled by √scale (D^−¼) on both sides. The largest exponent is taken over a query's features, and over features
 * and positions of a head's keys: it cancels but for ε, through which, when causal, a later key can move an earlier
 * output by parts in 10⁴. With `epsilon: 0` it cannot.
 * @throws {OptionError} for no features at all; @throws {ShapeError} when causal and not self-attention
 */
export const performer = mechanism<PerformerOptions>("performer", (p, options) => {
  if (options.redraw !== undefined) {
    throw new OptionError({
      where: p.where,
      argument: "options.redraw",
      got: `is ${options.redraw}`,
      expected: "nothing in a single call, which draws once",
      fix: "performer({ …, redraw }) as the attention of a layer, or another seed",
    });
  }
  if (p.causal) selfOnly(p, "causal prefix sums run over one sequence");
  const projection = projectionOf(p, options);
  const [q, k] = [features(p, p.q, projection, options, "row"), features(p, p.k, projection, options, "head")];
  const { denominatorEpsilon: extra = 0, chunk = 64 } = options;
  return kernelAttention(p, q, k, { extra, chunk: count(p.where, "chunk", chunk) });
});

function features(p: Problem, x: Tensor, projection: Tensor, options: PerformerOptions, shared: Shared): Tensor {
  const o = ops();
  const scaled = o.affine(x, Math.sqrt(Math.abs(p.scale)));
  const keyMask = shared === "head" ? p.keyMask : undefined;
  if (options.kernel === "relu") {
    return o.affine(o.unary("relu", o.linear(scaled, projection)), 1, options.epsilon ?? 1e-3);
  }
  const map = options.featureMap ?? "positive";
  return softmaxFeatures(scaled, projection, {
    map,
    shared,
    epsilon: options.epsilon ?? (map === "positive" ? 1e-4 : 0),
    keyMask,
  });
}

function projectionOf(p: Problem, options: PerformerOptions): Tensor {
  if (options.projection === undefined) {
    const m = options.features ?? Math.max(1, Math.floor(p.headDim * Math.log(p.headDim)));
    const features = count(p.where, "features", m);
    return drawProjection({
      features,
      headDim: p.headDim,
      seed: options.seed ?? 0,
      orthogonal: options.orthogonal ?? true,
    });
  }
  const projection = asTensor(options.projection, p.where, "options.projection");
  if (projection.shape.length === 2 && projection.shape[0]! > 0 && projection.shape[1] === p.headDim) return projection;
  throw new ShapeError({
    where: p.where,
    argument: "options.projection",
    got: `has shape ${show(projection.shape)}`,
    expected: `[m, ${p.headDim}], a row of headDim numbers per feature`,
  });
}
