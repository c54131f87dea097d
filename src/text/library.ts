/**
 * @file What is used of `@huggingface/tokenizers`. Its type declarations import each other without file endings, which
 * TypeScript's Node resolution does not follow, so the few members needed are declared here.
 */
import * as library from "@huggingface/tokenizers";
import type { Step } from "./json.js";

export interface LibraryModel {
  config: { vocab?: unknown };
  bpe_ranks?: Pick<Map<string, number>, "get">;
  vocab: string[];
  tokens_to_ids: Map<string, number>;
  unk_token?: string;
  unk_token_id?: number;
  fuse_unk: boolean;
  _call(pieces: string[]): string[];
}
export interface LibraryTokenizer {
  model: LibraryModel;
  decoder: LibraryDecoder | null;
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

const { Tokenizer, SplitPreTokenizer } = library as unknown as {
  Tokenizer: new (json: object, config: object) => LibraryTokenizer;
  SplitPreTokenizer: new (step: Step) => { pattern: RegExp };
};

export const LibraryTokenizer = Tokenizer;

/** A pattern of tokenizer.json, { String } or { Regex } in Oniguruma's dialect, as a JavaScript expression. */
export function compilePattern(pattern: unknown): RegExp {
  return new SplitPreTokenizer({ type: "Split", pattern, behavior: "Isolated", invert: true }).pattern;
}

/** Merges as tokenizer.json has them: "a b", or, newer, ["a", "b"], whose parts may hold spaces. */
export type Merges = readonly (string | readonly [string, string])[];

/**
 * The library's tokenizer without what it keeps beside its tables: the vocabulary as an object, every merge as a pair and
 * once more as JSON, which is how it asks for a rank. Of 50,000 tokens these are half of what it holds.
 */
export function leanTokenizer(json: { model: Step; [section: string]: unknown }, config: object): LibraryTokenizer {
  const { merges, ...model } = json.model;
  const isBpe = model.type === "BPE";
  const made = new LibraryTokenizer({ ...json, model: isBpe ? { ...model, merges: [] } : json.model }, config);
  if (!isBpe) return made;
  made.model.config.vocab = {};
  made.model.bpe_ranks = new Ranks(merges as Merges);
  return made;
}

/** Ranks of merges: by their text in the file where their parts have no space, as pairs have it. */
class Ranks {
  readonly #ranks = new Map<string, number>();

  constructor(merges: Merges) {
    // Of equal merges the last counts, as in the library.
    merges.forEach((m, i) => this.#ranks.set(typeof m === "string" ? m : `${m[0]}${between(m[0], m[1])}${m[1]}`, i));
  }

  /** @param key  the pair as JSON */
  get(key: string): number | undefined {
    const cut = key.indexOf('","');
    const isPlain = !key.includes("\\") && cut === key.lastIndexOf('","');
    const [a, b] = isPlain ? [key.slice(2, cut), key.slice(cut + 3, -2)] : (JSON.parse(key) as [string, string]);
    return this.#ranks.get(`${a}${between(a, b)}${b}`);
  }
}

/** What parts the two: a space, or, where one of them has a space itself, what no token holds. */
const between = (a: string, b: string): string => (a.includes(" ") || b.includes(" ") ? "\u0000\u0000" : " ");

interface LibraryDecoder {
  config: Step;
  decoders?: LibraryDecoder[];
  decode_chain(tokens: string[]): string[];
}

/**
 * Makes a tokenizer's decoder read byte tokens as the Rust library does: a byte-order mark stays, and bytes that are
 * no UTF-8 become one "�" each.
 */
export function mendByteFallback({ decoder }: LibraryTokenizer): void {
  const mend = (step: LibraryDecoder): void => {
    if (step.config.type === "ByteFallback") step.decode_chain = byteFallback;
    step.decoders?.forEach(mend);
  };
  if (decoder) mend(decoder);
}

function byteFallback(tokens: string[]): string[] {
  const out: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      out.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)));
    } catch {
      out.push("�".repeat(bytes.length));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte) bytes.push(Number.parseInt(byte[1]!, 16));
    else {
      flush();
      out.push(token);
    }
  }
  flush();
  return out;
}
