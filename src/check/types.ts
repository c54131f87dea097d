/**
 * @file What the checker is given and what it says.
 *
 * A candidate is whatever is to be checked; a report is a list of findings, each the name of one mistake with its proof.
 */

/** "error": wrong. "warning": wrong in some uses. "info": a convention the candidate follows, where the field has several. */
export type Severity = "error" | "warning" | "info";

/** The smallest call that shows a finding, as data; `evidence` says the same in words. */
export interface ProbeRecord {
  /** Axis lengths of the call: B, H, Lq, Lk, D … */
  shape: Record<string, number>;
  /** The options of the call, masks written as rows of 0 and 1. */
  options: Record<string, unknown>;
  /** A map of weights as it should be and as it was found: [queries][keys], of one head. */
  expected?: number[][];
  found?: number[][];
  /** Which batch item and head the maps show. */
  at?: { batch: number; head: number };
}

/** Something that follows from a finding and goes when it is mended. */
export interface Consequence {
  rule: string;
  message: string;
}

export interface Finding {
  /** The rule's id: the name of the mistake. */
  rule: string;
  severity: Severity;
  /** What the candidate does, in one sentence. */
  message: string;
  /** The smallest call that shows it, its numbers, and a ■ · picture of the expected and the found map. */
  evidence: string;
  fix: string;
  /** Where the right behaviour is written down, or where the mistake was seen before. */
  reference: string;
  probe?: ProbeRecord;
  consequences?: Consequence[];
}

export interface NotTested {
  rule: string;
  reason: string;
}

export interface Report {
  /** True when no finding is an error. */
  ok: boolean;
  /** Root causes first: errors, warnings, then conventions found. */
  findings: Finding[];
  /** Ids of the rules whose probes ran. */
  tested: string[];
  notTested: NotTested[];
  /** What was checked. */
  candidate: { kind: CandidateKind; name: string; precision?: string };
  seed: number;
}

export type CandidateKind = "function" | "multi-head" | "model";

/** Numbers with a shape as a candidate receives them. */
export interface Numbers<A = Float32Array> {
  data: A;
  shape: number[];
  dims: number[];
}

/** The options a candidate may be called with. Only the first four are expected of it. */
export interface CandidateOptions {
  causal?: boolean;
  /** 1 = may attend; broadcasts to [B, H, Lq, Lk]. */
  mask?: Numbers<Uint8Array>;
  scale?: number;
  /** [B, Lk], 1 = real token. */
  keyPadding?: Numbers<Uint8Array>;
  [other: string]: unknown;
}

/**
 * An attention function: q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, Dv] → [B, H, Lq, Dv] as `{ data, shape }`, a
 * tensor, a typed array or nested arrays; sync or async.
 */
export type AttentionFunction = (q: Numbers, k: Numbers, v: Numbers, options: any) => unknown;

/** A multi-head attention with its projections: x [B, L, dModel] → [B, L, dModel]. */
export interface MultiHeadModule {
  heads: number;
  /** Projection weights, torch's layout [out, in] or its transpose, under the usual names (`q`, `wq`, `q_proj.weight` …). */
  weights?: Record<string, unknown>;
  forward(x: Numbers, options: CandidateOptions): unknown;
}

/** What the checker may know of a model; everything but the vocabulary is optional. */
export interface ModelConfig {
  vocabSize: number;
  /** True for a decoder: a later token may not change an earlier output. */
  causal?: boolean;
  padTokenId?: number;
  /** How the model knows where a token is; sharpens the name of what goes wrong in a cache. */
  positions?: "learned" | "sinusoidal" | "rope" | "alibi" | "t5" | "none";
  heads?: number;
  layers?: number;
  /** Keys a query sees at most, itself included, when the model attends to a window. */
  slidingWindow?: number;
  /** Longest input; default: no limit. */
  maxLength?: number;
  /**
   * An encoder–decoder: `forward(ids, mask, past, { decoderIds })` gives what the decoder makes of `decoderIds`, and
   * without them the encoder's states. Its `past` holds the decoder's earlier tokens.
   */
  encoderDecoder?: boolean;
  [other: string]: unknown;
}

/**
 * A whole model: ids and attentionMask (1 = real token) are [B][L]; the result is logits [B, L, V], hidden states
 * [B, L, d] or a pooled [B, d]; or an object with `logits`, `lastHiddenState` or `pooled`, and `past` when it has a cache.
 */
export interface CandidateModel {
  config: ModelConfig;
  forward(ids: number[][], attentionMask: number[][], past?: unknown, extra?: Record<string, unknown>): unknown;
}

export interface CheckOptions {
  /** Seed of every probe; default 1. The same seed asks the same questions. */
  seed?: number;
  /** Only these rules. */
  rules?: readonly string[];
  /** All but these rules. */
  skip?: readonly string[];
  /** Milliseconds one call may take before it counts as hanging; default 10 000. A call that never yields can only be cut off in a process of its own, as the command line does. */
  timeLimit?: number;
  /** The scale the function is meant to use by default, when it is not 1/√D (T5 uses 1). */
  scale?: number | ((headDim: number) => number);
  /** What runs below the candidate: its documented behaviours are reported as conventions. */
  runtime?: "onnxruntime" | "pytorch" | "jax";
  /** Called before each rule. */
  onProgress?: (done: number, total: number, rule: string) => void;
  /** How the report calls the candidate. */
  name?: string;
}
