/**
 * @file Vectors of texts: the last state of every token, pooled, as a sentence-transformers folder asks for it.
 * Reimers & Gurevych 2019 (arXiv:1908.10084) §3. Of an encoder–decoder the encoder's states: Ni et al. 2021, Sentence-T5
 * (arXiv:2108.08877) §3.1.
 */
import { type Tensor, tensor, UnavailableError } from "../tensor/index.js";
import type { Encoding } from "../text/index.js";
import { readInputs } from "./inputs.js";
import type { Model } from "./model.js";

/** How token states become one vector. */
export interface Pooling {
  mode: "mean" | "weightedMean" | "cls" | "last" | "max";
  /** Length 1. */
  normalise: boolean;
  /** Longer texts are cut to so many tokens. */
  maxTokens?: number | undefined;
  /** What the folder asks for beside that and is not done here: embed() then refuses. */
  unsupported?: string | undefined;
}

export interface EmbedOptions {
  /** Texts a forward. Default 32: longer batches gain little and need more memory. */
  batchSize?: number | undefined;
  mode?: Pooling["mode"] | undefined;
  normalise?: boolean | undefined;
}

/** @returns [texts, d] */
export function embed(model: Model, texts: readonly string[], options: EmbedOptions): Tensor {
  const { mode = "mean", normalise = false, maxTokens, unsupported } = { ...model.pooling, ...given(options) };
  if (unsupported !== undefined && options.mode === undefined) {
    throw new UnavailableError({
      where: "embed",
      argument: model.name,
      got: unsupported,
      expected: "one pooling: mean, weighted mean, first token, last token or maximum",
      fix: 'name the pooling yourself, knowing that it is not the folder\'s: { mode: "mean" }',
    });
  }
  const known = Math.min(
    model.contextLength ?? Number.POSITIVE_INFINITY,
    model.limits.positions ?? Number.POSITIVE_INFINITY,
  );
  const limit = Math.min(maxTokens ?? known, known);
  const encoded = texts.map((text) => cut(model.tokenizer.encode(text), limit));
  // Texts of like length together: less padding to compute.
  const order = texts.map((_, i) => i).sort((a, b) => encoded[a]!.length - encoded[b]!.length);
  const { batchSize = 32 } = options;
  const limits = { ...model.limits, isEncoderDecoder: false }; // its encoder alone
  let out: Float32Array | undefined;
  let d = 0;
  for (let at = 0; at < order.length; at += batchSize) {
    const part = order.slice(at, at + batchSize);
    const rows = model.scoped(() => {
      const batch = readInputs({ inputIds: part.map((i) => encoded[i]!) }, limits, "embed");
      const { lastHiddenState } = model.compute(batch, { logits: "none" });
      return { state: lastHiddenState };
    });
    d = rows.state.shape[2]!;
    out ??= new Float32Array(texts.length * d);
    const length = rows.state.shape[1]!;
    part.forEach((i, b) => {
      const states = rows.state.data.subarray(b * length * d, (b * length + encoded[i]!.length) * d);
      out!.set(pooled(states, d, mode, normalise), i * d);
    });
  }
  return tensor(out ?? new Float32Array(0), [texts.length, d]);
}

const given = ({ mode, normalise }: EmbedOptions): Partial<Pooling> => ({
  ...(mode !== undefined && { mode }),
  ...(normalise !== undefined && { normalise }),
});

/** Cuts the text and keeps what the tokenizer put behind it. */
function cut({ ids, special }: Encoding, limit: number): number[] {
  if (ids.length <= limit) return ids;
  let behind = 0;
  while (special[ids.length - 1 - behind]) behind++;
  return [...ids.slice(0, limit - behind), ...ids.slice(ids.length - behind)];
}

function pooled(states: Float32Array, d: number, mode: Pooling["mode"], normalise: boolean): Float64Array {
  const out = new Float64Array(d).fill(mode === "max" ? Number.NEGATIVE_INFINITY : 0);
  const count = states.length / d;
  const share = shareOf(mode, count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < d; j++) {
      const x = states[i * d + j]!;
      if (mode === "max") out[j] = Math.max(out[j]!, x);
      else out[j]! += share(i) * x;
    }
  }
  if (!normalise) return out;
  const length = Math.max(Math.hypot(...out), 1e-12);
  return out.map((x) => x / length);
}

/** How much token i counts. Weighted mean: Muennighoff 2022 (arXiv:2202.08904), later tokens of a decoder know more. */
function shareOf(mode: Pooling["mode"], count: number): (i: number) => number {
  if (mode === "cls") return (i) => (i === 0 ? 1 : 0);
  if (mode === "last") return (i) => (i === count - 1 ? 1 : 0);
  if (mode === "weightedMean") return (i) => (2 * (i + 1)) / (count * (count + 1));
  return () => 1 / count;
}
