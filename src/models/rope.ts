/**
 * @file Rotary positions as checkpoints ask for them, and the angles of a batch's tokens.
 */
import { type RopeScaling, ropeFrequencies } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { type Tensor, tensor } from "../tensor/index.js";
import type { Config, ConfigJson } from "./config.js";

export interface RopeSettings {
  /** How many leading numbers of a head turn. */
  dim: number;
  base: number;
  scaling: RopeScaling;
}

/**
 * Reads either style of config: `rope_parameters`, or `rope_theta` with `rope_scaling`.
 * @param dim       how many leading numbers of a head turn
 * @param divisors  how much slower each pair turns, where a file says so itself (GGUF's rope_freqs)
 */
export function ropeSettings(config: Config, dim: number, divisors?: Float32Array): RopeSettings {
  const { json } = config;
  const nested = (json["rope_parameters"] ?? json["rope_scaling"] ?? {}) as Record<string, unknown>;
  const layered = Object.keys(nested).find((name) => name.endsWith("_attention"));
  if (dim % 2 !== 0) config.refuse("head_dim", `is ${dim}`, "an even number: rotary positions turn pairs");
  if (layered !== undefined) config.refuse("rope_parameters", `has "${layered}"`, "the same for every layer");
  return {
    dim,
    base: config.within(nested).maybe("rope_theta") ?? config.number("rope_theta", 10000),
    scaling: divisors ? slowed(divisors) : scalingOf(config, nested, dim),
  };
}

/** How many leading numbers of a head turn, where a config says which part of it does. */
export function turningPart(config: Config, headDim: number, fallback = 1): number {
  const nested = config.within((config.json["rope_parameters"] ?? config.json["rope_scaling"] ?? {}) as ConfigJson);
  const part = nested.maybe("partial_rotary_factor") ?? config.number("partial_rotary_factor", fallback);
  const dim = Math.trunc(headDim * part);
  if (part > 1 || dim < 2) {
    config.refuse("partial_rotary_factor", `is ${part}`, `a part of a head of ${headDim} numbers, at least 2 of them`);
  }
  return dim;
}

/** The length of text after which all positions turn otherwise, earlier ones too; Infinity where none does. */
export function changesAfter({ scaling }: RopeSettings): number {
  return scaling.kind === "longrope" ? scaling.originalMaxPositions : Number.POSITIVE_INFINITY;
}

/** The longest text that rotary positions are stretched to. */
export function stretchedLength({ scaling }: RopeSettings, positions: number): number {
  if (scaling.kind === "default" || scaling.kind === "longrope") return positions;
  if (scaling.kind === "linear") return Math.floor(positions * scaling.factor);
  const from = scaling.kind === "dynamic" ? scaling.maxPositions : scaling.originalMaxPositions;
  return Math.max(positions, Math.floor(from * scaling.factor));
}

/** Whether a longer text turns its first tokens otherwise than a shorter one. */
export function turnsByLength({ scaling }: RopeSettings): boolean {
  if (scaling.kind === "longrope") return Number.isFinite(scaling.originalMaxPositions);
  return scaling.kind === "dynamic";
}

function scalingOf(config: Config, nested: Record<string, unknown>, dim: number): RopeScaling {
  const named = (nested["rope_type"] ?? nested["type"] ?? "default") as string;
  // Names that Phi-3's first configs gave to longrope.
  const kind = named === "su" || (named === "yarn" && nested["short_factor"]) ? "longrope" : named;
  const values = config.within(nested);
  const maxPositions = config.number("max_position_embeddings", 2048);
  const original =
    config.maybe("original_max_position_embeddings") ??
    values.maybe("original_max_position_embeddings") ??
    maxPositions;
  const need = (name: string): number =>
    values.maybe(name) ?? config.refuse(name, "is missing", `a number, for rope_type "${kind}"`);
  const list = (name: string): number[] => {
    const numbers = nested[name] as number[] | undefined;
    if (Array.isArray(numbers) && numbers.length === dim / 2 && numbers.every(Number.isFinite)) return numbers;
    const got = Array.isArray(numbers) ? `has ${numbers.length} entries` : "is missing";
    return config.refuse(name, got, `${dim / 2} numbers, one for each pair that turns`);
  };
  switch (kind) {
    case "default":
      return { kind };
    case "linear":
      return { kind, factor: need("factor") };
    case "dynamic":
      return { kind, factor: need("factor"), maxPositions };
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
        factor: nested["factor"] === null ? maxPositions / original : need("factor"),
        originalMaxPositions: original,
        betaFast: values.maybe("beta_fast") || undefined, // 0 is taken for none, as the reference does
        betaSlow: values.maybe("beta_slow") || undefined,
        attentionFactor: values.maybe("attention_factor"),
        mscale: values.maybe("mscale"),
        mscaleAllDim: values.maybe("mscale_all_dim"),
        truncate: values.flag("truncate", true),
      };
    case "longrope":
      return {
        kind,
        shortFactor: list("short_factor"),
        longFactor: list("long_factor"),
        originalMaxPositions: original,
        factor: values.maybe("factor") ?? maxPositions / original,
        attentionFactor: values.maybe("attention_factor"),
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

type Frequencies = ReturnType<typeof ropeFrequencies>;
const known = new WeakMap<RopeSettings, Frequencies>();

/** How fast each pair turns; worked out once where the length of the text has no say in it. */
function frequenciesOf(settings: RopeSettings, positions: Int32Array): Frequencies {
  const { dim, base, scaling } = settings;
  if (turnsByLength(settings)) {
    const length = positions.reduce((a, p) => Math.max(a, p), 0) + 1;
    return ropeFrequencies({ dim, base, scaling, length });
  }
  let found = known.get(settings);
  if (!found) known.set(settings, (found = ropeFrequencies({ dim, base, scaling, length: 1 })));
  return found;
}

/** cos and sin of a batch's tokens, one row a token: no table of all positions is kept. */
export class Angles {
  readonly #cos: Tensor;
  readonly #sin: Tensor;
  readonly #dim: number;
  readonly #rows = new Map<number, Int32Array>();

  constructor(positions: Int32Array, settings: RopeSettings) {
    const { frequencies, attentionFactor } = frequenciesOf(settings, positions);
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
    this.#dim = settings.dim;
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
