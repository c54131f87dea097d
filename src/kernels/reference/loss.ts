/**
 * @file Softmax cross-entropy, a mean over the rows that count.
 *     loss = −Σ_c t_c ln p_c,  t = (1 − α)·onehot(label) + α/N       d logits = (p − t)·dLoss/rows
 * Label smoothing α: Szegedy et al. 2016 (arXiv:1512.00567) §7.
 */
import type { Tensor } from "../../tensor/index.js";
import { checkLabels } from "../shapes.js";
import type { Allocate } from "./allocate.js";
import { maxAndSum } from "./softmax.js";

export interface LossOptions {
  ignoreIndex: number;
  labelSmoothing: number;
}

const counted = (labels: Int32Array, { ignoreIndex }: LossOptions): number =>
  labels.reduce((n, label) => n + (label === ignoreIndex ? 0 : 1), 0);

export function crossEntropy(empty: Allocate, logits: Tensor, labels: Int32Array, options: LossOptions): Tensor {
  const { M, N } = checkLabels(logits, labels, options.ignoreIndex);
  const alpha = options.labelSmoothing;
  const loss = empty([1]);
  const xs = logits.data;
  let total = 0;
  for (let r = 0, at = 0; r < M; r++, at += N) {
    if (labels[r] === options.ignoreIndex) continue;
    const [m, sum] = maxAndSum(xs, at, N);
    const lse = m + Math.log(sum);
    total += (1 - alpha) * (lse - xs[at + labels[r]]);
    if (alpha > 0) for (let c = 0; c < N; c++) total += (alpha / N) * (lse - xs[at + c]);
  }
  loss.data[0] = total / counted(labels, options); // no row counts: 0/0 = NaN, as torch
  return loss;
}

export function crossEntropyBackward(
  empty: Allocate,
  logits: Tensor,
  labels: Int32Array,
  options: LossOptions,
  dLoss: number,
): Tensor {
  const { M, N } = checkLabels(logits, labels, options.ignoreIndex);
  const alpha = options.labelSmoothing;
  const dx = empty(logits.shape);
  const [xs, dxs, factor] = [logits.data, dx.data, dLoss / counted(labels, options)];
  dxs.fill(0); // rows that do not count
  for (let r = 0, at = 0; r < M; r++, at += N) {
    if (labels[r] === options.ignoreIndex) continue;
    const [m, sum] = maxAndSum(xs, at, N);
    for (let c = 0; c < N; c++) {
      const target = (c === labels[r] ? 1 - alpha : 0) + alpha / N;
      dxs[at + c] = (Math.exp(xs[at + c] - m) / sum - target) * factor;
    }
  }
  return dx;
}
