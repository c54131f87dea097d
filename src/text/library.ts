/**
 * @file What is used of `@huggingface/tokenizers`. Its type declarations import each other without file endings, which
 * TypeScript's Node resolution does not follow, so the few members needed are declared here.
 */
import * as library from "@huggingface/tokenizers";
import type { Step } from "./json.js";

export interface LibraryModel {
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
