/**
 * @file Attention with rotary positions: what a checkpoint's projections differ in, and what they do not.
 *
 *     x ─▶ q, k, v ─▶ (norm q, k) ─▶ turn q, k by position ─▶ softmax(cap(scale·q kᵀ)) v ─▶ heads side by side ─▶ o_proj
 *
 * Su et al. 2021 (arXiv:2104.09864). H query heads share Hk key heads: Ainslie et al. 2023 (arXiv:2305.13245).
 */
import { viewHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { Linear } from "../nn/linear.js";
import { Module, type Part } from "../nn/module.js";
import type { RMSNorm } from "../nn/norms.js";
import type { Tensor } from "../tensor/index.js";
import type { Config } from "./config.js";
import type { Step } from "./decoder.js";
import type { RopeSettings } from "./rope.js";
import { selfAttend } from "./self-attention.js";

/** Sizes of one attention and how it looks. */
export interface RotaryHeads {
  d: number;
  heads: number;
  keyHeads: number;
  headDim: number;
  rope: RopeSettings;
  /** Default 1/√D. */
  scale?: number | undefined;
  /** Scores are c·tanh(score/c). */
  softcap?: number | undefined;
  /** How many tokens a query sees, its own the last of them. Default: all. */
  window?: number | undefined;
}

/**
 * Heads as most configs say them.
 * @param usual  what Hugging Face takes where a key is missing; a null is one key head a query head
 * @throws {FileError} when key heads do not divide query heads, or heads the width
 */
export function headsOf(
  config: Config,
  usual: { headDim?: number | undefined; keyHeads?: number | undefined } = {},
): Pick<RotaryHeads, "d" | "heads" | "keyHeads" | "headDim"> {
  const d = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const isNull = config.json["num_key_value_heads"] === null;
  const keyHeads = config.size("num_key_value_heads", isNull ? heads : (usual.keyHeads ?? heads));
  if (heads % keyHeads !== 0) {
    config.refuse("num_key_value_heads", `is ${keyHeads}`, `a number that divides num_attention_heads ${heads}`);
  }
  return { d, heads, keyHeads, headDim: config.size("head_dim", usual.headDim ?? d / heads) };
}

/** From projections [B, L, H·D], [B, L, Hk·D], [B, L, Hk·D] to merged heads [B, L, H·D]. */
export function rotaryAttend(
  layer: number,
  { q, k, v }: { q: Tensor; k: Tensor; v: Tensor },
  { heads, keyHeads, headDim, rope, scale = 1 / Math.sqrt(headDim), softcap, window }: RotaryHeads,
  step: Step,
): Tensor {
  const angles = step.angles(rope);
  return selfAttend(
    { kind: "self", layer },
    {
      q: viewHeads(angles.turn(q, heads), heads),
      k: viewHeads(angles.turn(k, keyHeads), keyHeads),
      v: viewHeads(v, keyHeads),
      sight: step.sight,
      scale,
      softcap,
      window,
    },
    step.pass,
  );
}

/** q_proj, k_proj, v_proj and o_proj, as Llama, Gemma and OLMo 2 have them. */
export class Attention extends Module {
  readonly #layer: number;
  readonly #heads: RotaryHeads;
  readonly #projections: { q: Linear; k: Linear; v: Linear; output: Linear };
  readonly #norms: { q: RMSNorm; k: RMSNorm } | undefined;

  /** @param options.norms  of each head where they are as wide as one, of all heads together where they are wider */
  constructor(
    layer: number,
    heads: RotaryHeads,
    { bias, norms }: { bias: { qkv: boolean; output: boolean }; norms?: { q: RMSNorm; k: RMSNorm } | undefined },
  ) {
    super();
    const { d, headDim } = heads;
    const [inner, shared] = [heads.heads * headDim, heads.keyHeads * headDim];
    this.#layer = layer;
    this.#heads = heads;
    this.#projections = {
      q: new Linear({ inputs: d, outputs: inner, bias: bias.qkv }),
      k: new Linear({ inputs: d, outputs: shared, bias: bias.qkv }),
      v: new Linear({ inputs: d, outputs: shared, bias: bias.qkv }),
      output: new Linear({ inputs: inner, outputs: d, bias: bias.output }),
    };
    this.#norms = norms;
  }

  parts(): Record<string, Part> {
    const { q, k, v, output } = this.#projections;
    const norms = this.#norms;
    return { q_proj: q, k_proj: k, v_proj: v, o_proj: output, q_norm: norms?.q, k_norm: norms?.k };
  }

  /** @param residual  added to the result in the same pass */
  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const { q, k, v, output } = this.#projections;
    const projected = {
      q: normed(this.#norms?.q, q.forward(x)), // [B, L, H·D]
      k: normed(this.#norms?.k, k.forward(x)), // [B, L, Hk·D]
      v: v.forward(x), // [B, L, Hk·D]
    };
    return output.forward(rotaryAttend(this.#layer, projected, this.#heads, step), residual && { residual });
  }
}

/** A norm over each stretch of its width: a head, or the whole row. */
function normed(norm: RMSNorm | undefined, x: Tensor): Tensor {
  if (!norm) return x;
  return ops().reshape(norm.forward(ops().reshape(x, [x.size / norm.width, norm.width])), x.shape);
}
