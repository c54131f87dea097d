/**
 * @file Behaviours that well-known runtimes document or are known for. A candidate that runs on one of them is not to
 * blame: such a finding is reported as a convention.
 */
import type { Found, Rule } from "../rule.js";
import type { CheckOptions } from "../types.js";

type Runtime = NonNullable<CheckOptions["runtime"]>;

export const knownBehaviours: Record<Runtime, Record<string, string>> = {
  pytorch: {
    "NaN-through-mask":
      "PyTorch's scaled_dot_product_attention multiplies every value by its weight, and 0 · NaN is NaN (pytorch#101967)",
    "causal-alignment": "PyTorch's is_causal aligns the triangle at the upper left (pytorch#108108)",
    "cache-history-masked": "PyTorch's is_causal aligns the triangle at the upper left (pytorch#108108)",
    "dead-row-NaN":
      "PyTorch before 2.5, and its MultiheadAttention, give NaN for a row that sees nothing (pytorch#41508)",
    "dead-row-uniform": "an additive mask of finite numbers gives the mean of all values in PyTorch",
    "batch-dependence": "matrix products are split by shape",
  },
  onnxruntime: {
    "NaN-through-mask": "onnxruntime multiplies every value by its weight, and 0 · NaN is NaN; ONNX leaves it open",
    "causal-alignment": "ONNX's is_causal without a cache aligns the triangle at the upper left",
    "cache-history-masked": "ONNX's is_causal without a cache aligns the triangle at the upper left",
    "dead-row-uniform": "onnxruntime masks with the lowest finite number, so a row that sees nothing is uniform",
    "batch-dependence": "matrix products are split by shape",
  },
  jax: {
    "NaN-through-mask": "jax.nn.dot_product_attention multiplies every value by its weight, and 0 · NaN is NaN",
    "dead-row-uniform": "jax.nn.dot_product_attention gives the mean of all values for a row that sees nothing",
    "causal-alignment": "JAX's is_causal aligns the triangle at the upper left",
    "cache-history-masked": "JAX's is_causal aligns the triangle at the upper left",
    "batch-dependence": "matrix products are split by shape",
  },
};

/** Turns a known behaviour of the runtime into a convention. */
export function soften(runtime: Runtime | undefined): (r: Rule, found: Found) => Found {
  return (r, found) => {
    const known = runtime && knownBehaviours[runtime][r.id];
    return known ? { ...found, severity: "info", message: `${found.message} Known: ${known}.` } : found;
  };
}
