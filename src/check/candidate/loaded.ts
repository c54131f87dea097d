/** @file A model of this library as a candidate: asked like any other, with its cache as `past`. */
import { Cache } from "../../models/cache.js";
import type { Model } from "../../models/index.js";
import type { Outputs, Tokens } from "../../models/pass.js";
import type { CandidateModel, ModelConfig } from "../types.js";

/** How positions enter a model. */
function positionsOf(model: Model): NonNullable<ModelConfig["positions"]> {
  if (model.architecture === "t5") return "t5";
  return model.layerAt(0)?.rope ? "rope" : "learned";
}

/** What the checker asks for next to the ids read before: a cache is filled from them anew, so a `past` never changes. */
interface Past {
  ids: number[][];
  mask: number[][];
}

/**
 * Wraps a loaded model. A step with `past` reads the earlier tokens into a fresh cache and then the new ones over it, as
 * generation does. An encoder–decoder without `decoderIds` gives its encoder's states, with them its decoder's.
 */
export function candidateOf(model: Model): CandidateModel {
  const { family } = model;
  const heads = model.config["num_attention_heads"];
  const windows = Array.from({ length: model.layerCount }, (_, layer) => model.layerAt(layer)?.window);
  const widest = Math.max(...windows.map((window) => window ?? Number.POSITIVE_INFINITY));
  const config: ModelConfig = {
    vocabSize: model.vocabularySize,
    causal: family === "decoder",
    encoderDecoder: family === "encoder-decoder",
    padTokenId: model.padId,
    layers: model.layerCount,
    ...(typeof heads === "number" ? { heads } : {}),
    ...(Number.isFinite(widest) ? { slidingWindow: widest } : {}),
    ...(model.contextLength === undefined ? {} : { maxLength: model.contextLength }),
    positions: positionsOf(model),
  };
  return {
    config,
    forward(ids, attentionMask, past, extra) {
      const decoderIds = extra?.["decoderIds"] as number[][] | undefined;
      if (family === "encoder") return plain(model.forward({ inputIds: ids, attentionMask }));
      if (family === "encoder-decoder" && !decoderIds)
        return plain(model.scoped(() => model.compute({ tokens: tokensOf(ids, attentionMask) }, {})));
      const before = past as Past | undefined;
      const part = decoderIds ?? ids;
      const all = part.map((row, b) => [...(before?.ids[b] ?? []), ...row]);
      const given = decoderIds ? undefined : attentionMask;
      const mask = all.map((row, b) => {
        const own = given?.[b] ?? part[b]!.map(() => 1);
        return own.length === row.length ? own : [...(before?.mask[b] ?? []), ...own];
      });
      const source = decoderIds ? tokensOf(ids, attentionMask) : undefined;
      const out = steps(model, source, all, mask, all[0]!.length - part[0]!.length);
      return { ...plain(out), past: { ids: all, mask } satisfies Past };
    },
  };
}

/** One pass over all tokens, or, with `kept` of them read before, a pass that fills the cache and one over the rest. */
function steps(model: Model, source: Tokens | undefined, ids: number[][], mask: number[][], kept: number): Outputs {
  const batch = (from: number, to?: number) => {
    const tokens = tokensOf(
      ids.map((r) => r.slice(from, to)),
      mask.map((r) => r.slice(from, to)),
    );
    return source ? { tokens: source, decoder: tokens } : { tokens };
  };
  if (kept === 0) return model.scoped(() => model.compute(batch(0), {}));
  const cache = new Cache();
  try {
    cache.mask = bits(mask.map((r) => r.slice(0, kept)));
    const first = model.scoped(() => model.compute(batch(0, kept), { cache }));
    cache.length = kept;
    cache.mask = bits(mask);
    const memory = first.encoderLastHiddenState;
    return model.scoped(() => model.compute({ ...batch(kept), ...(memory ? { memory } : {}) }, { cache }));
  } finally {
    cache.free();
  }
}

const bits = (mask: number[][]): Uint8Array | undefined => {
  const flat = Uint8Array.from(mask.flat());
  return flat.includes(0) ? flat : undefined;
};

const tokensOf = (ids: number[][], mask: number[][]): Tokens => ({
  batch: ids.length,
  length: ids[0]!.length,
  ids: Int32Array.from(ids.flat()),
  mask: bits(mask),
});

type Plain = { data: Float32Array; shape: number[] };
function plain(out: Partial<Outputs>): Record<string, Plain> {
  const copy = (t: { data: ArrayLike<number>; shape: readonly number[] }): Plain => ({
    data: Float32Array.from(t.data),
    shape: [...t.shape],
  });
  const tokens = out.logits && out.logits.shape.length === 3 ? out.logits : out.lastHiddenState;
  return {
    ...(tokens ? { logits: copy(tokens) } : {}),
    ...(out.pooled ? { pooled: copy(out.pooled) } : {}),
  };
}
