/**
 * @file What every model can do, whatever its architecture: read tokens, be traced, edited, trained and sampled.
 *
 * An architecture gives `parts()` and `compute()`, written once over `ops()`; inference, tracing (a listener), editing
 * (a listener) and training (operations that remember) are all that same pass.
 */
import { type AttentionListener, withListener } from "../attention/index.js";
import { Loss } from "../autograd/index.js";
import { kernelInForce, ops } from "../kernels/current.js";
import { Module, type Part } from "../nn/module.js";
import { type Tensor, UnavailableError } from "../tensor/index.js";
import type { Encoding, Tokenizer } from "../text/index.js";
import { Recorder, type Sequence, Trace } from "../trace/index.js";
import type { Config, ConfigJson } from "./config.js";
import type { DecoderLayer, Norm } from "./decoder.js";
import { type Edit, editor } from "./edit.js";
import { type EmbedOptions, embed, type Pooling } from "./embed.js";
import { type GenerateOptions, generate, type Step } from "./generate.js";
import { lmLogits, type OutputHead } from "./head.js";
import { type IdTable, type InputLimits, type ModelInputs, readInputs } from "./inputs.js";
import { lossOf } from "./loss.js";
import { named } from "./named.js";
import type { Batch, Outputs, Pass, Tokens } from "./pass.js";
import { Sight } from "./sight.js";

/** What a model is made with beside its config. */
export interface ModelParts {
  /** What it was loaded as, for traces: "bundled", a folder, a hub id. */
  name: string;
  tokenizer?: Tokenizer | undefined;
  /** Whether the checkpoint has a weight; undefined for a model that is made anew. */
  has?: ((name: string) => boolean) | undefined;
  /** Whether two matrices of the checkpoint are copies of each other. */
  same?: ((one: string, other: string) => boolean) | undefined;
  /** How much slower each rotary pair turns, where the file says so itself. */
  ropeDivisors?: Float32Array | undefined;
  pooling?: Pooling | undefined;
  /** Ids that end a text, where generation_config.json says more than config.json. */
  endIds?: readonly number[] | undefined;
}

export interface TraceOptions {
  /** Keep the state after every layer. Default false: L + 1 tensors as large as the text. */
  hiddenStates?: boolean | undefined;
  /** Keep v as well. Default false. */
  values?: boolean | undefined;
  /** Keep the logits. Default false. */
  logits?: boolean | undefined;
}

export interface ForwardOptions {
  trace?: boolean | TraceOptions | undefined;
  /** What if these heads were otherwise? */
  edit?: readonly Edit[] | undefined;
}

/** What a forward gives, as the architecture has it. Tensors are in ordinary memory and stay. */
export interface Run extends Outputs {
  /** When asked for. */
  trace: Trace;
}

export abstract class Model extends Module {
  readonly #config: Config;
  readonly #parts: ModelParts;

  constructor(config: Config, parts: ModelParts) {
    super();
    this.#config = config;
    this.#parts = parts;
  }

  /** How it reads: every token sees all, only earlier ones, or a source text and earlier ones. */
  abstract readonly family: "encoder" | "decoder" | "encoder-decoder";
  /** One pass. Every number is computed through `ops()`. */
  abstract compute(batch: Batch, pass: Pass): Outputs;
  /**
   * Scores of words for a hidden state, as if the model ended there: what the logit lens reads.
   * @param state [..., d], of an encoder–decoder its decoder's   @param normed it has gone through the last norm already
   * @returns [..., V]; undefined for a model that says no words
   */
  words(state: Tensor, normed: boolean): Tensor | undefined {
    const { readOut } = this;
    if (!readOut) return undefined;
    const { norm, head, scale = 1 } = readOut;
    const x = normed ? state : norm.forward(state);
    return lmLogits(scale === 1 ? x : ops().affine(x, scale), head, {});
  }

  /** What it was loaded as. */
  get name(): string {
    return this.#parts.name;
  }

  /** config.json's `model_type`: "bert", "llama". */
  get architecture(): string {
    return this.#config.json["model_type"] as string;
  }

  /** The whole config.json. */
  get config(): ConfigJson {
    return this.#config.json;
  }

  /** @throws {UnavailableError} when it was loaded without one */
  get tokenizer(): Tokenizer {
    const { tokenizer, name } = this.#parts;
    if (tokenizer) return tokenizer;
    throw new UnavailableError({
      where: "model",
      argument: "tokenizer",
      got: `is not there: ${name} has no tokenizer.json`,
      fix: "put tokenizer.json beside config.json, or work on ids",
    });
  }

  /** Whether `tokenizer` can be used. */
  get hasTokenizer(): boolean {
    return this.#parts.tokenizer !== undefined;
  }

  /** How many words there are. */
  get vocabularySize(): number {
    return this.#config.size("vocab_size");
  }

  /** The longest text it was made for; undefined where positions are only relative. */
  get contextLength(): number | undefined {
    return this.#config.maybe("max_position_embeddings") ?? this.#config.maybe("n_positions");
  }

  /** Whether a text may be read part by part over a cache; not where its whole length changes every position. */
  get readsInParts(): boolean {
    return true;
  }

  /** How many layers a stack has; of an encoder–decoder the taller one. */
  get layerCount(): number {
    const names = ["num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_decoder_layers"];
    return Math.max(...names.map((n) => this.#config.maybe(n) ?? 0));
  }

  /**
   * The last norm, a factor where there is one, and the output layer, where a model ends in them: what reads a state out as
   * words. Of an encoder–decoder those of its decoder.
   */
  get readOut(): { norm: Norm; head: OutputHead; scale?: number } | undefined {
    return undefined;
  }

  /** What a decoder's layer says of itself: how q and k are turned by position, what a query sees, which norms stand where. */
  layerAt(_layer: number): Pick<DecoderLayer, "rope" | "window" | "before" | "normsAfter"> | undefined {
    return undefined;
  }

  /** @internal A text longer than this is read anew from its first token once: its earlier keys no longer hold. */
  get rereadAfter(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** What fills a batch: a row of the embedding, whatever the config says (some say −1 for "none"). */
  get padId(): number {
    const named = [this.#config.maybe("pad_token_id"), this.#config.ids("eos_token_id")[0]];
    return named.find((id) => id !== undefined && id >= 0 && id < this.vocabularySize) ?? 0;
  }

  /** Ids that end a text. */
  get endIds(): readonly number[] {
    return this.#parts.endIds ?? this.#config.ids("eos_token_id");
  }

  get pooling(): Pooling | undefined {
    return this.#parts.pooling;
  }

  /** What inputs may be. Positions that are a table end where it ends; rotary and relative ones do not. */
  get limits(): InputLimits {
    return {
      vocabulary: this.vocabularySize,
      pad: this.padId,
      isEncoderDecoder: this.family === "encoder-decoder",
    };
  }

  /**
   * Reads a batch of token ids.
   * @throws {OptionError | ShapeError} for ids outside the vocabulary, texts too long, tables of another shape
   * @example
   * const { ids } = model.tokenizer.encode("The cat sat");
   * const { logits, trace } = model.forward({ inputIds: [ids] }, { trace: true });
   * trace.weights({ layer: 0, head: 0 })  // [1, 1, L, L]
   */
  forward(inputs: ModelInputs, options: ForwardOptions = {}): Run {
    return this.#run(readInputs(inputs, this.limits), options);
  }

  /** As `forward`, of a text; the trace then knows it and where its tokens stand. An encoder–decoder reads `target` too. */
  read(text: string, options: ForwardOptions & { pair?: string; target?: string } = {}): Run & { encoding: Encoding } {
    const { pair, target, ...rest } = options;
    const encoding = this.tokenizer.encode(text, { pair });
    const inputs: ModelInputs = { inputIds: [encoding.ids], tokenTypeIds: [encoding.typeIds] };
    let decoder: Encoding | undefined;
    if (this.family === "encoder-decoder") {
      const start = this.#config.maybe("decoder_start_token_id") ?? this.padId;
      decoder = target === undefined ? undefined : this.tokenizer.encode(target, { addSpecialTokens: false });
      inputs.decoderInputIds = [[start, ...(decoder?.ids ?? [])]];
    }
    const batch = readInputs(inputs, this.limits);
    const source = { text: pair === undefined ? text : `${text}${pair}`, encoding, shift: text.length };
    const run = this.#run(batch, rest, {
      source,
      ...(decoder && { target: { text: target!, encoding: decoder, shift: 0 } }),
    });
    return { ...run, encoding };
  }

  #run(batch: Batch, { trace, edit }: ForwardOptions, texts: Texts = {}): Run {
    const wanted: TraceOptions = trace === true ? {} : trace || {};
    const recorder = trace ? new Recorder({ values: wanted.values }) : undefined;
    const hidden: Tensor[] = [];
    const encoderHidden: Tensor[] = [];
    const pass: Pass = wanted.hiddenStates
      ? { hidden: (x) => hidden.push(x), encoderHidden: (x) => encoderHidden.push(x) }
      : {};
    const kept = this.scoped(() => ({
      outputs: listening([edit && editor(edit, this), recorder], () => this.compute(batch, pass)),
      hidden,
      encoderHidden,
    }));
    const { outputs } = kept;
    if (!recorder) return outputs as Run;
    const info = {
      model: this.name,
      architecture: this.architecture,
      ...this.#sequences(batch, texts),
      provenance: { engine: "qkv", kernel: kernelInForce().name, ...(edit?.length && { edits: [...edit] }) },
    };
    return {
      ...outputs,
      trace: new Trace({
        info,
        records: recorder.records,
        hiddenStates: kept.hidden,
        encoderHiddenStates: kept.encoderHidden,
        logits: wanted.logits ? outputs.logits : undefined,
      }),
    };
  }

  /** Kernel memory of `body` is given back; what it returns stays. While something records, nothing is given back. */
  scoped<T>(body: () => T): T {
    return ops().scope(body);
  }

  #sequences({ tokens, decoder }: Batch, { source, target }: Texts): { sequences: Sequence[]; sources?: Sequence[] } {
    const own = this.sequencesOf(tokens, source);
    return decoder ? { sequences: this.sequencesOf(decoder, target), sources: own } : { sequences: own };
  }

  /** A batch's rows as a trace shows them. */
  sequencesOf({ batch, length, ids, mask }: Tokens, text?: KnownText): Sequence[] {
    const token = (id: number): string => this.#parts.tokenizer?.idToToken(id) ?? String(id);
    return Array.from({ length: batch }, (_, b) => {
      const row = [...ids.subarray(b * length, (b + 1) * length)];
      const added = row.length - (text?.encoding.ids.length ?? row.length); // a start token before the text's own
      return {
        ids: row,
        tokens: row.map(token),
        ...(mask && { mask: [...mask.subarray(b * length, (b + 1) * length)] }),
        ...(text && {
          text: text.text,
          offsets: [
            ...Array.from({ length: added }, (): [number, number] => [0, 0]),
            ...text.encoding.offsets.map(([from, to], i): [number, number] => {
              const shift = text.encoding.sequences[i] === 1 ? text.shift : 0;
              return [from + shift, to + shift];
            }),
          ],
          special: [...Array.from({ length: added }, () => 1), ...text.encoding.special],
        }),
      };
    });
  }

  /**
   * Continues token ids, one step at a time. Greedy unless a temperature, topK or topP is given.
   * @param ids  one text, or a batch of texts of any lengths
   * @example
   * for await (const step of model.generate(model.tokenizer.encode("Once").ids, { maxNewTokens: 20 })) {
   *   process.stdout.write(step.token);
   * }
   */
  generate(
    ids: readonly number[] | readonly (readonly number[])[],
    options: GenerateOptions = {},
  ): AsyncGenerator<Step> {
    return generate(this, ids, options);
  }

  /** Vectors of texts [texts, d], pooled and normalised as the folder's own settings say (default: mean, not normalised). */
  embed(texts: string | readonly string[], options: EmbedOptions = {}): Tensor {
    return embed(this, typeof texts === "string" ? [texts] : texts, options);
  }

  /**
   * How badly the model foretells `labels`; −100 = does not count. A decoder's labels are the input ids (it shifts them
   * itself), an encoder–decoder's the target ids, a classifier's one number a text.
   * @example
   * const loss = model.loss({ inputIds: [ids], labels: [ids] });
   * new AdamW({ learningRate: 1e-3 }).step(model, loss.backward());
   */
  loss(inputs: ModelInputs & { labels: IdTable }, options: { labelSmoothing?: number } = {}): Loss {
    const body = lossOf(this, inputs, options);
    return new Loss(body, () => this.parameters());
  }

  /** @internal Parts under a prefix that some checkpoints leave out: as this one has it. */
  protected prefixed(prefix: string, body: Record<string, Part>): Record<string, Part> {
    const { has } = this.#parts;
    const bare =
      has && Object.entries(body).some(([name, part]) => part instanceof Module && firstName(part, has, name));
    return bare ? body : { [prefix]: named(body) };
  }

  /** @internal Who sees whom in this pass. */
  sight(tokens: Tokens, { cache }: Pass, causal: boolean): Sight {
    return new Sight(tokens.batch, tokens.length, causal, cache ? cache.mask : tokens.mask);
  }

  /** @internal How many real tokens of each text earlier steps have read. */
  past({ cache }: Pass, { batch }: Tokens): Int32Array | undefined {
    if (!cache) return undefined;
    const { mask, length } = cache;
    if (!mask) return new Int32Array(batch).fill(length);
    const all = mask.length / batch;
    return Int32Array.from({ length: batch }, (_, b) =>
      mask.subarray(b * all, b * all + length).reduce((n, m) => n + m, 0),
    );
  }

  override toString(): string {
    const { name, architecture, parameterCount } = this;
    return `${architecture} ${name}: ${(parameterCount / 1e6).toFixed(1)} million weights, vocabulary ${this.vocabularySize}`;
  }
}

/** A text that a trace is to show. */
export interface KnownText {
  text: string;
  encoding: Encoding;
  /** Where the pair begins in `text`. */
  shift: number;
}
interface Texts {
  source?: KnownText;
  target?: KnownText;
}

function firstName(part: Module, has: (name: string) => boolean, name: string): boolean {
  const first = part.named(`${name}.`).next();
  return !first.done && has(first.value[0]);
}

/** Runs `body` with listeners, edits before the recorder, which so sees what was edited. */
export function listening<T>(listeners: readonly (AttentionListener | undefined)[], body: () => T): T {
  return listeners.reduceRight((inner, l) => (l ? () => withListener(l, inner) : inner), body)();
}
