/**
 * @file Rotary positions as checkpoints ask for them, and the angles of a batch's tokens.
 */
import { type RopeScaling, ropeFrequencies } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { type Tensor, tensor } from "../tensor/index.js";
import type { Config } from "./config.js";

export interface RopeSettings {
  /** How many leading numbers of a head turn. */
  dim: number;
  base: number;
  scaling: RopeScaling;
}

type Values = Readonly<Record<string, number | undefined>>;

/**
 * Reads either style of config: `rope_parameters`, or `rope_theta` with `rope_scaling`.
 * @param divisors  how much slower each pair turns, where a file says so itself (GGUF's rope_freqs)
 */
export function ropeSettings(config: Config, headDim: number, divisors?: Float32Array): RopeSettings {
  const { json } = config;
  const nested = (json["rope_parameters"] ?? json["rope_scaling"] ?? {}) as Record<string, unknown>;
  const share = (nested["partial_rotary_factor"] ?? json["partial_rotary_factor"] ?? 1) as number;
  return {
    dim: 2 * Math.floor((headDim * share) / 2),
    base: (nested["rope_theta"] ?? json["rope_theta"] ?? 10000) as number,
    scaling: divisors ? slowed(divisors) : scalingOf(config, nested),
  };
}

function scalingOf(config: Config, nested: Record<string, unknown>): RopeScaling {
  const kind = (nested["rope_type"] ?? nested["type"] ?? "default") as string;
  const values = nested as Values;
  const maxPositions = config.number("max_position_embeddings", 2048);
  const original =
    values["original_max_position_embeddings"] ?? config.maybe("original_max_position_embeddings") ?? maxPositions;
  const need = (name: string): number =>
    values[name] ?? config.refuse(name, "is missing", `a number, for rope_type "${kind}"`);
  switch (kind) {
    case "default":
      return { kind };
    case "linear":
      return { kind, factor: need("factor") };
    case "dynamic":
      return { kind, factor: need("factor"), maxPositions: original };
    case "llama3":
      return {
        kind,
        factor: need("factor"),
        lowFrequencyFactor: need("low_freq_factor"),
        highFrequencyFactor: need("high_freq_factor"),
        originalMaxPositions: original,
      };
    case "yarn":
      return {
        kind,
        factor: need("factor"),
        originalMaxPositions: original,
        betaFast: values["beta_fast"],
        betaSlow: values["beta_slow"],
        attentionFactor: values["attention_factor"] ?? undefined,
        mscale: values["mscale"],
        mscaleAllDim: values["mscale_all_dim"],
        truncate: (nested["truncate"] as boolean | undefined) ?? true,
      };
    case "longrope":
      return {
        kind,
        shortFactor: nested["short_factor"] as number[],
        longFactor: nested["long_factor"] as number[],
        originalMaxPositions: original,
        factor: values["factor"] ?? maxPositions / original,
        attentionFactor: values["attention_factor"] ?? undefined,
      };
    default:
      return config.refuse(
        "rope_type",
        `is ${JSON.stringify(kind)}`,
        "one of default, linear, dynamic, llama3, yarn, longrope",
      );
  }
}

function slowed(divisors: Float32Array): RopeScaling {
  const factors = [...divisors];
  const originalMaxPositions = Number.POSITIVE_INFINITY;
  return { kind: "longrope", shortFactor: factors, longFactor: factors, originalMaxPositions, attentionFactor: 1 };
}

/** cos and sin of a batch's tokens, one row a token: no table of all positions is kept. */
export class Angles {
  readonly #cos: Tensor;
  readonly #sin: Tensor;
  readonly #dim: number;
  readonly #rows = new Map<number, Int32Array>();

  constructor(positions: Int32Array, { dim, base, scaling }: RopeSettings) {
    const length = positions.reduce((a, p) => Math.max(a, p), 0) + 1;
    const { frequencies, attentionFactor } = ropeFrequencies({ dim, base, scaling, length });
    const pairs = frequencies.length;
    const [cos, sin] = [new Float32Array(positions.length * pairs), new Float32Array(positions.length * pairs)];
    for (let t = 0; t < positions.length; t++) {
      for (let p = 0; p < pairs; p++) {
        const angle = positions[t]! * frequencies[p]!;
        cos[t * pairs + p] = attentionFactor * Math.cos(angle);
        sin[t * pairs + p] = attentionFactor * Math.sin(angle);
      }
    }
    this.#cos = tensor(cos, [positions.length, pairs]);
    this.#sin = tensor(sin, [positions.length, pairs]);
    this.#dim = dim;
  }

  /** Turns every head of x [B, L, heads·D] by its token's angles. */
  turn(x: Tensor, heads: number): Tensor {
    const tokens = this.#cos.shape[0]!;
    let rows = this.#rows.get(heads);
    if (!rows) {
      rows = Int32Array.from({ length: tokens * heads }, (_, r) => Math.floor(r / heads));
      this.#rows.set(heads, rows);
    }
    const flat = ops().reshape(x, [rows.length, x.size / rows.length]); // [B·L·heads, D]
    const turned = ops().rotary(flat, this.#cos, this.#sin, rows, { interleaved: false, dim: this.#dim });
    return ops().reshape(turned, x.shape);
  }
}
