/**
 * @file Text → token ids with their places in the text, and back.
 *
 *     text → added tokens → normaliser → pre-tokenizer → model (BPE, WordPiece, Unigram) → post-processor → ids
 *
 * The models and decoders are those of `@huggingface/tokenizers`; the steps around them are written here, since only
 * they know which character of the text a token stands for. Ids and offsets equal those of the Rust `tokenizers`
 * library; truncation and padding switched on inside a tokenizer.json are not applied, `forward` pads.
 */
import { FileError, OptionError } from "../tensor/index.js";
import { type Section, addedTokenSplitter } from "./added-tokens.js";
import { Aligned } from "./aligned.js";
import type { AddedTokenJson, TokenizerConfigJson, TokenizerJson } from "./json.js";
import { leanTokenizer, type LibraryTokenizer, mendByteFallback } from "./library.js";
import { normalizer } from "./normalize.js";
import { placeTokens, type Spelling } from "./pieces.js";
import { postProcessor, type TokenPlace } from "./post-process.js";
import { preTokenizer } from "./pre-tokenize.js";

/** A text as a model reads it. All arrays have one entry a token. */
export interface Encoding {
  ids: number[];
  /** As the vocabulary writes them: "Ġcat", "##ing", "▁the". */
  tokens: string[];
  /** [from, to) in UTF-16 units of the text (or of the pair, see `sequences`), as `slice` takes; [0, 0] for added tokens. */
  offsets: [number, number][];
  /** Segment of each token: BERT's token_type_ids. */
  typeIds: number[];
  /** 1 = put there by the tokenizer: [CLS], </s>. */
  special: number[];
  /** 0 = from the text, 1 = from the pair, −1 = put there. */
  sequences: number[];
}

export interface EncodeOptions {
  /** A second text: a question's answer, a hypothesis. */
  pair?: string | undefined;
  /** Add what the model was trained to see around a text. Default true. */
  addSpecialTokens?: boolean | undefined;
}

export class Tokenizer {
  /** tokenizer_config.json, where there is one: chat template, names of special tokens. */
  readonly config: TokenizerConfigJson;
  readonly #library: LibraryTokenizer;
  readonly #added: (text: Aligned) => Section[];
  readonly #addedNormalized: (text: Aligned) => Section[];
  readonly #normalize: (text: Aligned) => Aligned;
  readonly #preTokenize: (text: Aligned) => Aligned[];
  readonly #postProcess: ReturnType<typeof postProcessor>;
  readonly #spelling: Spelling;
  readonly #specialIds: ReadonlySet<number>;

  /** From the contents of tokenizer.json and, where there is one, tokenizer_config.json. */
  constructor(json: TokenizerJson, config: TokenizerConfigJson = {}, file = "tokenizer.json") {
    checkSections(json, file);
    const { normalizer: n = null, pre_tokenizer: p = null, post_processor: o = null, decoder = null } = json;
    const added = json.added_tokens ?? [];
    const whole = { ...json, normalizer: n, pre_tokenizer: p, post_processor: o, decoder, added_tokens: added };
    try {
      // Only the library's model and decoder are used: it need not understand the other steps.
      this.#library = leanTokenizer({ ...whole, normalizer: null, pre_tokenizer: null, post_processor: null }, config);
      mendByteFallback(this.#library);
    } catch (cause) {
      const got = `cannot be used: ${(cause as Error).message}`;
      throw new FileError({ where: "loadTokenizer", argument: file, got }, { cause });
    }
    this.config = config;
    this.#normalize = normalizer(n);
    this.#preTokenize = preTokenizer(p);
    this.#postProcess = postProcessor(o);
    const isNormalized = (t: AddedTokenJson): boolean => (t.normalized ?? !t.special) && n !== null;
    this.#added = addedTokenSplitter(added.filter((t) => !isNormalized(t)));
    this.#addedNormalized = addedTokenSplitter(
      added.filter(isNormalized),
      (t) => this.#normalize(Aligned.of(t.content)).text,
    );
    this.#specialIds = new Set(added.filter((t) => t.special).map((t) => t.id));
    const { model } = json;
    this.#spelling = {
      type: model.type,
      unknown: this.#library.model.unk_token,
      continuing: (model["continuing_subword_prefix"] as string | null | undefined) ?? undefined,
      ending: (model["end_of_word_suffix"] as string | null | undefined) ?? undefined,
      fusesUnknown: this.#library.model.fuse_unk,
    };
  }

  /** How many ids there are, added tokens included: one more than the largest. */
  get vocabularySize(): number {
    return this.#library.model.vocab.length;
  }

  /**
   * Text → ids. The empty text gives only what the tokenizer adds, perhaps nothing.
   * @example
   * tokenizer.encode("The cat").offsets  // e.g. [[0, 0], [0, 3], [4, 7], [0, 0]]
   */
  encode(text: string, { pair, addSpecialTokens = true }: EncodeOptions = {}): Encoding {
    requireText(text, "text");
    if (pair !== undefined) requireText(pair, "options.pair");
    const second = pair === undefined ? undefined : this.#tokens(pair, 1);
    const places = this.#postProcess(this.#tokens(text, 0), second, addSpecialTokens);
    return {
      ids: places.map((t) => t.id),
      tokens: places.map((t) => t.token),
      offsets: places.map((t) => t.offset),
      typeIds: places.map((t) => t.typeId),
      special: places.map((t) => t.special),
      sequences: places.map((t) => t.sequence),
    };
  }

  /** Ids → text. Ids outside the vocabulary are an error. */
  decode(ids: readonly number[], { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): string {
    const kept = skipSpecialTokens ? ids.filter((id) => !this.#specialIds.has(id)) : [...ids];
    for (const id of kept) if (this.idToToken(id) === undefined) throw this.#noSuchId(id);
    if (kept.length === 0) return ""; // the library refuses an empty list
    const clean = this.config["clean_up_tokenization_spaces"] === true && this.#spelling.type === "WordPiece";
    return this.#library.decode(kept, { skip_special_tokens: false, clean_up_tokenization_spaces: clean });
  }

  /** The id of a token as the vocabulary writes it. */
  tokenToId(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  /** How the vocabulary writes an id. */
  idToToken(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  /** Whether an id is one that belongs around a text: [CLS], <|endoftext|>. */
  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  /** A special token by its role, where tokenizer_config.json names one. */
  role(name: "bos" | "eos" | "pad" | "unk"): { token: string; id: number } | undefined {
    const named = this.config[`${name}_token`] as string | { content: string } | null | undefined;
    const token = typeof named === "object" ? named?.content : named;
    const id = token === undefined ? undefined : this.tokenToId(token);
    return token === undefined || id === undefined ? undefined : { token, id };
  }

  #tokens(text: string, sequence: 0 | 1): TokenPlace[] {
    const sections = this.#added(Aligned.of(text)).flatMap((s) =>
      s.token ? [s] : this.#addedNormalized(this.#normalize(s.text)),
    );
    return sections.flatMap(({ text: section, token }) => {
      if (token) return [this.#place(token.id, section.text, section.range(0, section.length), sequence)];
      return this.#preTokenize(section).flatMap((piece) => (piece.length ? this.#pieceTokens(piece, sequence) : []));
    });
  }

  #pieceTokens(piece: Aligned, sequence: 0 | 1): TokenPlace[] {
    const model = this.#library.model;
    const tokens = model._call([piece.text]);
    const places = placeTokens(piece.text, tokens, this.#spelling);
    return tokens.map((token, i) => {
      const id = model.tokens_to_ids.get(token) ?? model.unk_token_id;
      if (id === undefined) throw this.#unknownCharacter(token);
      return this.#place(id, token, piece.range(...places[i]!), sequence);
    });
  }

  #place(id: number, token: string, offset: [number, number], sequence: 0 | 1): TokenPlace {
    return { id, token, offset, typeId: 0, special: 0, sequence };
  }

  #noSuchId(id: number): OptionError {
    return new OptionError({
      where: "decode",
      argument: "ids",
      got: `contain ${id}`,
      expected: `whole numbers from 0 to ${this.vocabularySize - 1} that are in the vocabulary`,
    });
  }

  #unknownCharacter(token: string): OptionError {
    return new OptionError({
      where: "encode",
      argument: "text",
      got: `holds ${JSON.stringify(token)}, which the vocabulary lacks, and there is no unknown token`,
      fix: "use the tokenizer.json that belongs to the model",
    });
  }
}

function requireText(value: unknown, argument: string): void {
  if (typeof value === "string") return;
  throw new OptionError({
    where: "encode",
    argument,
    got: `is ${value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`}`,
    expected: "a string",
    ...(Array.isArray(value) && { fix: "encode each text by itself: texts.map((t) => tokenizer.encode(t))" }),
  });
}

function checkSections(json: TokenizerJson, file: string): void {
  const refuse = (got: string, expected: string): never => {
    const fix = "use the tokenizer.json that belongs to the model";
    throw new FileError({ where: "loadTokenizer", argument: file, got, expected, fix });
  };
  if (typeof json !== "object" || json === null) refuse("does not hold an object", "the contents of a tokenizer.json");
  const { model } = json;
  if (typeof model !== "object" || model === null) refuse('has no section "model"', 'a section "model"');
  const types = ["BPE", "WordPiece", "Unigram"];
  // Files from before 2021 do not name the model's type; their sections do.
  if (model.type === undefined) model.type = "merges" in model ? "BPE" : "unk_id" in model ? "Unigram" : "WordPiece";
  if (!types.includes(model.type)) refuse(`has a model of type "${model.type}"`, `one of ${types.join(", ")}`);
  if (typeof model.vocab !== "object" || model.vocab === null) refuse('has no section "model.vocab"', "a vocabulary");
  if (model.type === "BPE" && !Array.isArray(model["merges"]))
    refuse('has no section "model.merges"', "a list of merges");
}
