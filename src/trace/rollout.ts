/**
 * @file Attention rollout: what each output position drew from each input through all layers, if the residual stream and
 * the heads were all there is. Abnar & Zuidema 2020 (arXiv:2005.00928) §3: Â = r·I + (1 − r)·A, rollout = Â_L ⋯ Â_1.
 */

/** How the heads of a layer become one map. */
export type Fusion = "mean" | "max" | "min";

export interface RolloutOptions {
  fusion?: Fusion;
  /** Share of the residual path, r. Default 0.5, as in the paper. */
  residual?: number;
  /** Share of the smallest weights of a row dropped before mixing (Gildenblat 2020). Default 0. */
  discard?: number;
}

/** One map for a layer: heads fused, NaN (may not attend) read as 0, rows brought to sum 1, the residual mixed in. */
export function mixedLayer(
  heads: readonly ArrayLike<number>[],
  length: number,
  options: RolloutOptions = {},
): Float64Array {
  const { fusion = "mean", residual = 0.5, discard = 0 } = options;
  const out = new Float64Array(length * length);
  for (let n = 0; n < out.length; n++) {
    let value = fusion === "min" ? 1 : 0;
    for (const map of heads) {
      const w = map[n]! || 0; // NaN counts as 0
      value = fusion === "mean" ? value + w / heads.length : fusion === "max" ? Math.max(value, w) : Math.min(value, w);
    }
    out[n] = value;
  }
  for (let i = 0; i < length; i++) {
    const row = out.subarray(i * length, (i + 1) * length);
    if (discard > 0) dropSmallest(row, discard);
    let total = 0;
    for (const w of row) total += w;
    for (let j = 0; j < length; j++) row[j] = total > 0 ? (row[j]! / total) * (1 - residual) : 0;
    row[i]! += total > 0 ? residual : 1; // a row that saw nothing keeps itself
  }
  return out;
}

/** Sets the smallest positive numbers of a row to 0: ⌊share · count⌋ of them, never all. */
function dropSmallest(row: Float64Array, share: number): void {
  const order = [...row.keys()].filter((j) => row[j]! > 0).sort((a, b) => row[a]! - row[b]!);
  for (const j of order.slice(0, Math.min(order.length - 1, Math.floor(order.length * share)))) row[j] = 0;
}

/**
 * Rollout through layers, first layer first. @returns [L, L]; row i says what position i drew from each input; rows sum to 1.
 * Cost: layers · L³ multiply-adds.
 */
export function rollout(
  layers: readonly (readonly ArrayLike<number>[])[],
  length: number,
  options: RolloutOptions = {},
): Float64Array {
  let product = new Float64Array(length * length);
  for (let i = 0; i < length; i++) product[i * length + i] = 1;
  for (const heads of layers) {
    const mixed = mixedLayer(heads, length, options);
    const next = new Float64Array(length * length);
    for (let i = 0; i < length; i++) {
      for (let m = 0; m < length; m++) {
        const w = mixed[i * length + m]!;
        if (w === 0) continue;
        for (let j = 0; j < length; j++) next[i * length + j]! += w * product[m * length + j]!;
      }
    }
    product = next;
  }
  return product;
}

/**
 * A causal model's early positions are drawn from more often simply because more rows can see them. Divides each column by
 * the number of rows that can reach it and brings rows back to sum 1.
 */
export function receptiveFieldNormalised(map: Float64Array, length: number): Float64Array {
  const out = new Float64Array(map.length);
  for (let i = 0; i < length; i++) {
    let total = 0;
    for (let j = 0; j <= i; j++) total += out[i * length + j] = map[i * length + j]! / (length - j);
    for (let j = 0; j <= i; j++) if (total > 0) out[i * length + j]! /= total;
  }
  return out;
}
