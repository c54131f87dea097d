/**
 * @file The laboratory for whole models: asks for token ids and reads logits, hidden states or pooled vectors.
 *
 * Nothing is known of a model but its vocabulary, so questions are of three kinds: does output i move when token j does
 * (a map of dependence), is a text alone what it is in company (padding, batch, cache, packing), and is the same question
 * answered the same.
 */
import { CandidateFailure, type ModelCandidate } from "../candidate/candidate.js";
import { readValue, type Value } from "../candidate/value.js";
import type { CheckOptions, ModelConfig } from "../types.js";
import { Random } from "./numbers.js";

export interface ModelOutput {
  ok: true;
  /** [B, L, C], when the model gives something for each token. */
  tokens?: { data: Float64Array; width: number };
  /** [B, C], when it gives one vector for a text. */
  pooled?: { data: Float64Array; width: number };
  past?: unknown;
  B: number;
  L: number;
}

export type ModelAnswer = ModelOutput | { ok: false; kind: string; message: string };

type Extra = Record<string, unknown>;

const tokenNames = ["logits", "lastHiddenState", "last_hidden_state", "hiddenState", "hidden", "output"];
const pooledNames = [
  "pooled",
  "poolerOutput",
  "pooler_output",
  "embedding",
  "embeddings",
  "sentenceEmbedding",
  "sentence_embedding",
];
const pastNames = ["past", "pastKeyValues", "past_key_values", "cache"];

export class ModelLab {
  readonly candidate: ModelCandidate;
  readonly options: CheckOptions;
  readonly seed: number;
  readonly config: ModelConfig;
  readonly stuck: { kind: string; message: string; says: string }[] = [];
  changedInputs = false;
  private readonly memory = new Map<string, Promise<unknown>>();

  constructor(candidate: ModelCandidate, options: CheckOptions = {}) {
    this.candidate = candidate;
    this.options = options;
    this.seed = options.seed ?? 1;
    this.config = { ...candidate.config };
  }

  once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.memory.get(key) as Promise<T> | undefined;
    if (known) return known;
    const fresh = work();
    this.memory.set(key, fresh);
    return fresh;
  }

  get pad(): number {
    return this.config.padTokenId ?? 0;
  }

  /** Random ids without the padding id, the same for the same purpose. */
  ids(length: number, purpose: number): number[] {
    const r = new Random(this.seed * 6007 + purpose * 101);
    const { vocabSize } = this.config;
    return Array.from({ length }, () => {
      const id = r.integer(0, vocabSize);
      return id === this.pad && vocabSize > 1 ? (id + 1) % vocabSize : id;
    });
  }

  /** Another id than the one given, and than the padding's. */
  other(id: number, step = 1): number {
    const { vocabSize } = this.config;
    let next = (id + step) % vocabSize;
    if (next === this.pad && vocabSize > 2) next = (next + 1) % vocabSize;
    return next;
  }

  /** Puts one question; all ones where no mask is given. Never throws. */
  async ask(
    ids: number[][],
    mask = ids.map((r) => r.map(() => 1)),
    past?: unknown,
    extra?: Extra,
  ): Promise<ModelAnswer> {
    if (this.stuck.length >= 3)
      return { ok: false, kind: "hangs", message: "three calls did not come back; no more were made" };
    const given = [ids.map((r) => [...r]), mask.map((r) => [...r])] as const;
    try {
      const raw = await this.candidate.forward(given[0], given[1], past, extra);
      if (JSON.stringify(given) !== JSON.stringify([ids, mask]) || this.candidate.changedInputs)
        this.changedInputs = true;
      const decoder = extra?.["decoderIds"] as number[][] | undefined;
      return this.read(raw, ids.length, (decoder ?? ids)[0]!.length);
    } catch (error) {
      const kind = error instanceof CandidateFailure ? error.kind : "throws";
      const message = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
      if (kind !== "throws")
        this.stuck.push({ kind, message, says: `ids ${JSON.stringify(ids)}, attentionMask ${JSON.stringify(mask)}` });
      return { ok: false, kind, message };
    }
  }

  private read(raw: unknown, B: number, L: number): ModelAnswer {
    const out: ModelOutput = { ok: true, B, L };
    const it = (raw ?? {}) as Record<string, unknown>;
    if (typeof raw === "object" && raw !== null && !ArrayBuffer.isView(raw) && !Array.isArray(raw)) {
      for (const name of pastNames) if (it[name] !== undefined && it[name] !== null) out.past ??= it[name];
      const pooled = pooledNames.map((n) => it[n]).find((x) => x !== undefined && x !== null);
      if (pooled !== undefined) this.place(out, readValue(pooled), B, L, true);
      const tokens = tokenNames.map((n) => it[n]).find((x) => x !== undefined && x !== null);
      if (tokens !== undefined) this.place(out, readValue(tokens), B, L, false);
      if (out.tokens || out.pooled) return out;
    }
    this.place(out, readValue(raw, [...tokenNames, ...pooledNames]), B, L, false);
    if (out.tokens || out.pooled) return out;
    return { ok: false, kind: "shape", message: `the model gave back nothing of [${B}, ${L}, …] or [${B}, …]` };
  }

  private place(out: ModelOutput, value: Value | undefined, B: number, L: number, pooled: boolean): void {
    if (!value || value.data.length === 0 || value.data.length % B !== 0) return;
    const { data, shape } = value;
    const flat = !shape || shape.length === 1;
    const asTokens = flat
      ? !pooled &&
        data.length % (B * L) === 0 &&
        (data.length / (B * L) === this.config.vocabSize || data.length / (B * L) > 1)
      : shape.length === 3 || (shape.length === 2 && !pooled && shape[0] === B * L && L > 1 && shape[0] !== B);
    if (asTokens && data.length % (B * L) === 0) out.tokens = { data, width: data.length / (B * L) };
    else out.pooled = { data, width: data.length / B };
  }
}

/** The vector of token t of item b. */
export const at = (o: ModelOutput, b: number, t: number): Float64Array =>
  o.tokens!.data.subarray((b * o.L + t) * o.tokens!.width, (b * o.L + t + 1) * o.tokens!.width);

/** The pooled vector of item b. */
export const pooledAt = (o: ModelOutput, b: number): Float64Array =>
  o.pooled!.data.subarray(b * o.pooled!.width, (b + 1) * o.pooled!.width);

/** Largest |x − y| relative to the largest |y| (at least 1e-6); ∞ with a NaN on one side only. */
export function gap(x: Float64Array, y: Float64Array): number {
  let top = 1e-6;
  let d = 0;
  for (let n = 0; n < y.length; n++) {
    if (Number.isFinite(y[n]!)) top = Math.max(top, Math.abs(y[n]!));
    if (Object.is(x[n], y[n])) continue;
    const e = Math.abs(x[n]! - y[n]!);
    d = Number.isNaN(e) ? Number.POSITIVE_INFINITY : Math.max(d, e);
  }
  return d / top;
}

/** Above this a vector has moved; below it, float32 sums in another order. Same shapes give equal bits. */
export const moved = 1e-6;
/** Above this two vectors from calls of different shapes are different. Float32 through a few layers stays below 1e-5. */
export const differs = 2e-4;
