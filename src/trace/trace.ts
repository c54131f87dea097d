/**
 * @file A trace: what a run of a model looked like from inside, small enough to keep.
 *
 * Texts and tokens, one record per attention (`record.ts`), hidden states when asked for, and where it all came from.
 */
import type { AttentionKind } from "../attention/listen.js";
import { OptionError, type Tensor } from "../tensor/index.js";
import type { Part } from "./part.js";
import type { AttentionRecord } from "./record.js";

/** One sequence of a batch as a reader knows it. */
export interface Sequence {
  text?: string;
  ids: number[];
  /** What to show for each id, e.g. "Ġcat" or "##ing". */
  tokens: string[];
  /** Where each token stands in the text, in UTF-16 units, [from, to); [0, 0] for special tokens. */
  offsets?: [number, number][];
  /** 1 = real token; left out when nothing is padded. */
  mask?: number[];
  /** 1 = a token the tokenizer added: [CLS], </s>. */
  special?: number[];
}

/** Where the numbers come from. */
export interface Provenance {
  /** "qkv" or the engine that ran somebody else's graph: "onnxruntime-node 1.30.0". */
  engine: string;
  version?: string;
  /** The kernel that computed: "portable", "reference". */
  kernel?: string;
  /** What was changed by hand in this run, in words and as data; absent for an unchanged model. */
  edits?: unknown[];
  created?: string;
}

export interface TraceInfo {
  /** What the model was loaded as: a folder, a hub id, "bundled". */
  model: string;
  architecture: string;
  /** Sequences whose tokens ask (rows): the only stack's, or the decoder's. One per batch item. */
  sequences: Sequence[];
  /** An encoder–decoder's source sequences: rows and columns of "encoder", columns of "cross". */
  sources?: Sequence[];
  provenance: Provenance;
}

/** Which map: a record by kind and layer, and a part of it. */
export interface Where extends Part {
  layer: number;
  /** Default "self"; an encoder–decoder has "encoder", "decoder" and "cross" instead. */
  kind?: AttentionKind | undefined;
}

/** What a trace is made from. */
export interface TraceParts {
  info: TraceInfo;
  records: AttentionRecord[];
  /** hiddenStates[0] is the embedding's output, the last one is after the final norm; each [B, L, width]. */
  hiddenStates?: Tensor[] | undefined;
  encoderHiddenStates?: Tensor[] | undefined;
  logits?: Tensor | undefined;
}

export class Trace {
  readonly info: TraceInfo;
  readonly records: readonly AttentionRecord[];
  readonly hiddenStates: readonly Tensor[];
  readonly encoderHiddenStates: readonly Tensor[];
  readonly logits: Tensor | undefined;

  constructor({ info, records, hiddenStates = [], encoderHiddenStates = [], logits }: TraceParts) {
    this.info = info;
    this.records = records;
    this.hiddenStates = hiddenStates;
    this.encoderHiddenStates = encoderHiddenStates;
    this.logits = logits;
  }

  /** The decoder's hidden states: another name for `hiddenStates`. */
  get decoderHiddenStates(): readonly Tensor[] {
    return this.hiddenStates;
  }

  /** The kinds of attention there are, in the order they ran. */
  get kinds(): AttentionKind[] {
    return [...new Set(this.records.map((r) => r.site.kind))];
  }

  /** Layers of a kind, ascending. */
  layers(kind: AttentionKind): number[] {
    return this.records
      .filter((r) => r.site.kind === kind)
      .map((r) => r.site.layer)
      .sort((a, b) => a - b);
  }

  /**
   * One attention's record.
   * @throws {OptionError} naming the kinds and layers there are
   */
  record(
    layer: number,
    kind: AttentionKind = this.kinds.includes("self") || this.kinds.length !== 1 ? "self" : this.kinds[0]!,
  ): AttentionRecord {
    const found = this.records.find((r) => r.site.kind === kind && r.site.layer === layer);
    if (found) return found;
    const layers = this.layers(kind);
    throw layers.length === 0
      ? new OptionError({
          where: "trace",
          argument: "kind",
          got: `is "${kind}"`,
          expected: `one of the kinds recorded: ${this.kinds.join(", ") || "none"}`,
        })
      : new OptionError({
          where: "trace",
          argument: "layer",
          got: `is ${layer}`,
          expected: `one of the layers recorded for "${kind}": ${layers.join(", ")}`,
        });
  }

  /** Attention weights [B, H, Lq, Lk] of one layer, or the part asked for (a named batch item or head leaves an axis of 1). */
  weights({ layer, kind, ...part }: Where): Tensor {
    return this.record(layer, kind).weights(part);
  }

  /** [batch, query] of every row that may attend to nothing. */
  emptyRows({ layer, kind }: { layer: number; kind?: AttentionKind }): [number, number][] {
    return this.record(layer, kind).emptyRows();
  }

  /** The sequences along the rows and along the columns of a kind's maps. */
  sequences(kind: AttentionKind): { rows: Sequence[]; columns: Sequence[] } {
    const { sequences, sources = sequences } = this.info;
    if (kind === "encoder") return { rows: sources, columns: sources };
    if (kind === "cross") return { rows: sequences, columns: sources };
    return { rows: sequences, columns: sequences };
  }

  /** What is here, in a few lines. */
  toString(): string {
    const { model, architecture, sequences } = this.info;
    const kinds = this.kinds.map((kind) => {
      const records = this.records.filter((r) => r.site.kind === kind);
      const { heads, queries, keys } = records[0]!;
      return `${kind}: ${records.length} layers × ${heads} heads, ${queries} × ${keys} tokens`;
    });
    return [`Trace of ${model} (${architecture}), ${sequences.length} sequences`, ...kinds].join("\n  ");
  }
}
