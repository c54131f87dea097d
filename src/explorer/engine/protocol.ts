/**
 * @file What the page and its Web Worker say to each other: plain data in, plain data out.
 *
 * The page never does arithmetic on a model. It asks for the part of a map that is on screen, and gets numbers that the
 * library computed from q, k and the row sums. `EngineApi` is implemented by `engine.ts`; `client.ts` calls it across
 * the worker's boundary; a one-file page calls it directly.
 *
 * Numbers of a map are weights in 0…1; **NaN means "may not attend"**, which is something else than a weight of 0.
 */
import type { PairNumbers, Sequence, Where } from "../../trace/index.js";

export type Kind = NonNullable<Where["kind"]>;

/** A model or a trace that can be looked at. */
export interface ModelCard {
  id: string;
  name: string;
  /** One line about it: architecture, size, where it comes from. */
  says: string;
  source: "bundled" | "server" | "files" | "trace" | "synthetic";
  architecture?: string;
  layers?: number;
  heads?: number;
  /** Longest text in tokens. */
  context?: number;
  parameters?: number;
  /** A trace can only be looked at; a model can be asked anything. */
  runs: boolean;
  generates?: boolean;
  /** An ONNX graph: it can be run, and its inside cannot be changed. */
  graph?: boolean;
  /** It has no tokenizer: a text is token ids. */
  readsIds?: boolean;
}

/** A token as the page shows it. */
export interface TokenView {
  id: number;
  /** The piece of text it stands for, else the vocabulary's own spelling. */
  text: string;
  /** The vocabulary's spelling. */
  raw: string;
  from: number;
  to: number;
  special: boolean;
  /** Whether a word begins here (by spaces in the text, or the vocabulary's marks). */
  startsWord: boolean;
}

/** One kind of attention of a run: so many layers of maps, rows × columns. */
export interface KindView {
  kind: Kind;
  layers: number[];
  heads: number;
  keyHeads: number;
  queries: number;
  keys: number;
  headDim: number;
  rows: TokenView[];
  columns: TokenView[];
  /** Whether q and k are there (else only finished maps), and the values. */
  hasScores: boolean;
  hasValues: boolean;
  causal: boolean;
}

export interface Guess {
  id: number;
  text: string;
  probability: number;
}

/** A change made by hand to some heads of a run. `layer` −1 = every layer, `head` −1 = every head. */
export interface Edit {
  kind?: Kind;
  layer: number;
  head: number;
  /** What happens to the head's output; a number multiplies it. */
  output?: "zero" | "mean" | number;
  /** The head's output as it is when another text is read: by position, from the end where it is of another length. */
  patch?: string;
  /** Only these tokens that look, [from, to); the others keep the model's own. */
  rows?: [from: number, to: number];
  /** Multiplies the scale of the scores. */
  scaleFactor?: number;
  /** c of softcap(x) = c·tanh(x/c). */
  softcap?: number;
  /** Another rule of who may attend. */
  mask?: "none" | "causal" | "self-only" | "first-only" | "no-first" | "uniform";
  /** Weights put in by hand: [query, key, weight]; the rest of the row shares what is left. */
  paint?: [query: number, key: number, weight: number][];
}

export interface RunView {
  id: number;
  model: ModelCard;
  text: string;
  kinds: KindView[];
  /** Most probable next tokens after the last one; absent when the trace has no logits. */
  next?: Guess[];
  edits: Edit[];
  provenance: { engine: string; version?: string; kernel?: string; created?: string };
  /** Things the reader should know: "cut to 256 tokens". */
  notes: string[];
  milliseconds: number;
  /** Whether it says what comes next. */
  hasLogits: boolean;
  says: Says;
  hasHiddenStates: boolean;
}

/** How tokens are left out or put together before a map is shown. */
export interface Filter {
  hideSpecial: boolean;
  hideFirst: boolean;
  renormalise: boolean;
  words: boolean;
  /** Whole sentences in place of words. */
  sentences?: boolean;
  hidePunctuation?: boolean;
  /** Some heads of the layer as one map, shown in the place of each of them. */
  together?: Together;
}

/** How the cells of several heads become one number. `entropy`: how evenly they share a cell, 0 … 1. */
export interface Together {
  by: "mean" | "max" | "min" | "entropy";
  /** Empty = all. */
  heads: number[];
}

/** A group of neighbouring tokens shown as one row or column: [from, to). */
export type Group = readonly [from: number, to: number];

/** Maps of every head of a layer, H × rows × columns. */
export interface LayerMaps {
  kind: Kind;
  layer: number;
  heads: number;
  rows: Group[];
  columns: Group[];
  values: Float32Array;
}

/** The numbers behind one cell, each found in the trace. */
export interface PairView extends PairNumbers {
  layer: number;
  head: number;
  query: number;
  key: number;
  softcap: number | null;
  /** 1 = largest weight of its row; and how many keys the row may attend to. */
  rank: number;
  visible: number;
  /** ‖v‖ of the key's value vector and α‖v‖ as a share of the row's, when values were kept. */
  valueNorm: number | null;
  valueShare: number | null;
}

/** A row's scores, key by key; −∞ where the pair may not attend. */
export interface RowScores {
  query: number;
  dot: Float64Array;
  score: Float64Array;
  weight: Float32Array;
}

export interface At {
  run: number;
  kind: Kind;
  layer: number;
  head: number;
}

export interface HeadScore {
  layer: number;
  head: number;
  /** By type id of `trace/head-types.ts`; NaN where it does not apply. */
  scores: Record<string, number>;
}
export interface HeadTypesView {
  types: { id: string; name: string; says: string; chance: number }[];
  heads: HeadScore[];
}

export interface Badge {
  id: string;
  name: string;
  ok: boolean;
  /** The finding, with its number. */
  says: string;
}

export interface Atlas {
  /** Side of a thumbnail in cells; a map is pooled by maximum into size × size. */
  size: number;
  layers: number[];
  heads: number;
  values: Float32Array;
}

/** A tile of a head's map: cell (i, j) covers 2^level tokens each way. */
export interface TileView {
  level: number;
  row: number;
  column: number;
  rows: number;
  columns: number;
  values: Float32Array;
}

/** The ways of taking a head out: nothing, its mean, or a map that says nothing about the text. */
export type Ablation = "zero" | "mean" | "uniform" | "self-only" | "first-only";

export interface SweepResult {
  layer: number;
  head: number;
  kl: number;
  target: number;
  loss: number;
  /** As `NextChange.moved.mean`. */
  moved: number;
}

export interface GenerationStep {
  token: string;
  id: number;
  probability: number;
  top: Guess[];
}

/** Given as the last argument of a long call. */
export interface CallOptions {
  onProgress?: (done: number, total: number, says: string) => void;
  signal?: AbortSignal;
}

/** A file dropped on the page. */
export interface DroppedFile {
  path: string;
  bytes: ArrayBuffer;
}

export interface EngineApi {
  catalog(): Promise<ModelCard[]>;
  open(id: string, options?: CallOptions): Promise<ModelCard>;
  openFiles(files: DroppedFile[], options?: CallOptions): Promise<ModelCard>;
  run(asked: { model: string; text: string; edits: Edit[] }, options?: CallOptions): Promise<RunView>;
  layerMaps(asked: { run: number; kind: Kind; layer: number; filter: Filter }): Promise<LayerMaps>;
  pair(asked: At & { query: number; key: number }): Promise<PairView>;
  atlas(asked: { run: number; kind: Kind; size: number }, options?: CallOptions): Promise<Atlas>;
  tile(
    asked: At & { level: number; row: number; column: number; pool: "max" | "mean" },
    options?: CallOptions,
  ): Promise<TileView>;
  row(asked: At & { query: number }): Promise<Float32Array>;
  rowScores(asked: At & { query: number }): Promise<RowScores>;
  headTypes(asked: { run: number; kind: Kind }, options?: CallOptions): Promise<HeadTypesView>;
  badges(asked: { run: number; kind: Kind }): Promise<Badge[]>;
  rollout(asked: {
    run: number;
    kind: Kind;
    fusion: string;
    residual: number;
    upTo: number;
    discard?: number;
  }): Promise<LayerMaps>;
  flow(
    asked: { run: number; kind: Kind; output: number; residual: number },
    options?: CallOptions,
  ): Promise<Float32Array>;
  valueWeighted(asked: { run: number; kind: Kind; layer: number; filter: Filter }): Promise<LayerMaps>;
  predictions(asked: { run: number; top: number }): Promise<Guess[][]>;
  lens(asked: { run: number; top: number }): Promise<{ layer: number; rows: Guess[][] }[]>;
  compareNext(asked: { run: number; with: number; position?: number }): Promise<NextChange>;
  sweep(asked: { run: number; kind?: Kind; output: Ablation }, options?: CallOptions): Promise<SweepResult[]>;
  generate(
    asked: { model: string; text: string; tokens: number; temperature: number; seed: number },
    options?: CallOptions & { onStep?: (step: GenerationStep) => void },
  ): Promise<string>;
  /** `light`: without values and hidden states, enough to draw. */
  traceFile(asked: { run: number; light?: boolean }): Promise<Uint8Array>;
  /** Pages of the labs bring their own calls under a name: see `engine/labs.ts`. */
  lab(name: string, asked: unknown, options?: CallOptions & { onStep?: (step: unknown) => void }): Promise<unknown>;
}

/** What a model's scores say: the next token, the word at a token, a label of it, a class of the whole text, or there are none. */
export type Says = "next" | "word" | "label" | "class" | "none";

/** What an edit did to what the model says, and to its last vectors. */
export interface NextChange {
  of: Says;
  /** The token it is said of; of a class none. */
  position: number;
  /** The last layer's vectors: how far each token's went, ‖new − old‖ / ‖old‖, and that of the mean over tokens. */
  moved: { tokens: number[]; mean: number; cosine: number } | null;
  /** KL(before ‖ after) in nats over all that could be said; NaN where nothing is said. */
  kl: number;
  before: Guess[];
  after: Guess[];
  /** Mean −log p of the text's own tokens, in nats. */
  lossBefore: number | null;
  lossAfter: number | null;
  /** Logit of the token that was most probable before. */
  target: { text: string; before: number; after: number } | null;
}

/** An error as data, so that the page can word it. */
export interface EngineError {
  message: string;
  name: string;
  fix?: string;
}

export type { Sequence };
