/** @file The state of a generation: what has been read, what the cache holds, what comes next. */
import type { AttentionListener } from "../attention/index.js";
import { kernelInForce } from "../kernels/current.js";
import { OptionError, type Tensor } from "../tensor/index.js";
import { Recorder, Trace } from "../trace/index.js";
import { Cache } from "./cache.js";
import { editor } from "./edit.js";
import type { GenerateOptions } from "./generate.js";
import { readInputs } from "./inputs.js";
import { listening, type Model } from "./model.js";
import type { Batch, Tokens } from "./pass.js";

/** Tokens of a prompt that are read at once. Between two parts others may speak, and a caller may stop. */
const PART = 256;

export class Generation {
  readonly #model: Model;
  readonly #cache: Cache | undefined;
  /** Grows with the cache; without one every step is recorded anew. */
  #recorder: Recorder | undefined;
  readonly #record: () => Recorder | undefined;
  readonly #editor: AttentionListener | undefined;
  readonly #edits: GenerateOptions["edit"];
  /** The source of an encoder–decoder, and its encoder's result once there. */
  readonly #source: Tokens | undefined;
  #memory: Tensor | undefined;
  /** Everything the decoder has, [B][tokens], padding on the left. */
  readonly #rows: number[][];
  readonly #pads: number[];
  #read = 0;

  constructor(model: Model, prompts: readonly (readonly number[])[], options: GenerateOptions) {
    this.#model = model;
    this.#edits = options.edit;
    this.#cache = options.cache === false ? undefined : new Cache({ keepAll: Boolean(options.trace || options.edit) });
    const values = typeof options.trace === "object" && options.trace.values === true;
    this.#record = () => (options.trace ? new Recorder({ values }) : undefined);
    this.#recorder = this.#record();
    this.#editor = options.edit && editor(options.edit, model, { grows: true });
    if (model.family === "encoder-decoder") {
      const start = (model.config["decoder_start_token_id"] as number | undefined) ?? model.padId;
      const starts = prompts.map(() => [start]);
      this.#source = readInputs({ inputIds: prompts, decoderInputIds: starts }, model.limits, "generate").tokens;
      this.#rows = starts;
      this.#pads = prompts.map(() => 0);
    } else {
      readInputs({ inputIds: prompts }, model.limits, "generate"); // ids are checked before anything is computed
      const longest = Math.max(...prompts.map((p) => p.length));
      this.#pads = prompts.map((p) => longest - p.length);
      this.#rows = prompts.map((p, b) => [...Array<number>(this.#pads[b]!).fill(model.padId), ...p]);
    }
  }

  /** Ids of text b so far, without padding. */
  seen(b: number): readonly number[] {
    return this.#rows[b]!.slice(this.#pads[b]);
  }

  /**
   * Reads what is new, or a part of it.
   * @returns the scores of the next token, [B, 1, vocabulary]; undefined while there is more to read
   */
  step(): { logits: Tensor; trace: Trace | undefined } | undefined {
    const model = this.#model;
    const cache = this.#cache;
    const all = this.#rows[0]!.length;
    if (this.#read <= model.rereadAfter && all > model.rereadAfter) this.#forget();
    const from = cache ? this.#read : 0;
    const to = cache && model.readsInParts ? Math.min(all, from + PART) : all;
    const isAll = to === all;
    const tokens = this.#tokens(from, to);
    const batch: Batch = this.#source ? { tokens: this.#source, decoder: tokens, memory: this.#memory } : { tokens };
    if (cache && this.#pads.some((p) => p > 0)) cache.mask = this.#tokens(0, to).mask;
    if (!cache) this.#recorder = this.#record();
    const outputs = model.scoped(() =>
      listening([this.#editor, this.#recorder], () => model.compute(batch, { cache, logits: isAll ? "last" : "none" })),
    );
    if (isAll && !outputs.logits) {
      throw new OptionError({
        where: "generate",
        argument: "model",
        got: `is a ${model.architecture} without an output layer`,
        expected: "a language model",
        fix: "forward() gives its states, embed() its vectors",
      });
    }
    this.#read = to;
    if (cache) cache.length = to;
    if (cache) this.#memory ??= outputs.encoderLastHiddenState;
    return isAll ? { logits: outputs.logits!, trace: this.#recorder && this.#trace() } : undefined;
  }

  /** Keys turned by other angles than the text now asks for: it is read from its first token once more. */
  #forget(): void {
    this.#cache?.free();
    this.#recorder = this.#record();
    this.#read = 0;
  }

  /** One more id for every text. */
  push(ids: readonly number[]): void {
    ids.forEach((id, b) => this.#rows[b]!.push(id));
  }

  free(): void {
    this.#cache?.free();
  }

  /** Columns from ≤ i < to of all texts. */
  #tokens(from: number, to: number): Tokens {
    const batch = this.#rows.length;
    const ids = Int32Array.from(this.#rows.flatMap((row) => row.slice(from, to)));
    const padded = this.#pads.some((p) => p > from);
    const mask = padded
      ? Uint8Array.from(this.#pads.flatMap((p) => Array.from({ length: to - from }, (_, i) => (from + i < p ? 0 : 1))))
      : undefined;
    return { batch, length: to - from, ids, mask };
  }

  #trace(): Trace {
    const model = this.#model;
    const sequences = model.sequencesOf(this.#tokens(0, this.#read));
    return new Trace({
      info: {
        model: model.name,
        architecture: model.architecture,
        sequences,
        ...(this.#source && { sources: model.sequencesOf(this.#source) }),
        provenance: {
          engine: "qkv",
          kernel: kernelInForce().name,
          ...(this.#edits?.length && { edits: [...this.#edits] }),
        },
      },
      records: this.#recorder!.records,
    });
  }
}
