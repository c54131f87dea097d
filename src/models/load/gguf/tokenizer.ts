/**
 * @file The tokenizer inside a GGUF file, as the tokenizer.json it was made from.
 *
 * `tokenizer.ggml.model` is "gpt2" (byte-level BPE with its merges) or "llama" (SentencePiece: pieces with scores, from
 * which the merges follow). `tokenizer.ggml.pre` says how text is cut before; SmolLM's cuts every digit apart.
 */
import { FileError } from "../../../tensor/index.js";
import { readTokenizer, type Tokenizer, type TokenizerJson } from "../../../text/index.js";

type Metadata = Readonly<Record<string, unknown>>;

/** Kinds of tokens, as llama.cpp numbers them. */
const kind = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

/** @returns undefined where the file has none */
export function ggufTokenizer(metadata: Metadata, file: string): Tokenizer | undefined {
  const model = metadata["tokenizer.ggml.model"];
  const tokens = metadata["tokenizer.ggml.tokens"] as string[] | undefined;
  // Test files and stripped ones name a tokenizer without its merges: there is none to use.
  if (tokens === undefined || (model === "gpt2" && !metadata["tokenizer.ggml.merges"])) return undefined;
  if (model === undefined) return undefined;
  const make = model === "gpt2" ? byteLevel : model === "llama" ? sentencePiece : undefined;
  if (!make) {
    throw new FileError({
      where: "loadModel",
      argument: `"tokenizer.ggml.model" of ${file}`,
      got: `is ${JSON.stringify(model)}`,
      expected: '"gpt2" or "llama"',
      fix: "load the model's Hugging Face folder instead",
    });
  }
  const token = (role: string): string | undefined => tokens[metadata[`tokenizer.ggml.${role}_token_id`] as number];
  const template = metadata["tokenizer.chat_template"] as string | undefined;
  const config = {
    ...(token("bos") !== undefined && { bos_token: token("bos") }),
    ...(token("eos") !== undefined && { eos_token: token("eos") }),
    ...(token("padding") !== undefined && { pad_token: token("padding") }),
    ...(template && { chat_template: template }),
  };
  return readTokenizer({ tokenizer: make(metadata, tokens, file), config: config as never }, file);
}

/** How byte-level tokenizers cut text first, by `tokenizer.ggml.pre`. */
const cuts: Readonly<Record<string, string | undefined>> = {
  "llama-bpe": String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  qwen2: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  smollm: undefined, // digits one by one, then as GPT-2; so do the next two
  starcoder: undefined,
  refact: undefined,
  "gpt-2": undefined,
  default: undefined,
};

function byteLevel(metadata: Metadata, tokens: string[], file: string): TokenizerJson {
  const pre = (metadata["tokenizer.ggml.pre"] as string | undefined) ?? "default";
  if (!Object.hasOwn(cuts, pre)) {
    throw new FileError({
      where: "loadModel",
      argument: `"tokenizer.ggml.pre" of ${file}`,
      got: `is ${JSON.stringify(pre)}`,
      expected: `one of ${Object.keys(cuts).join(", ")}`,
      fix: "load the model's Hugging Face folder instead",
    });
  }
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const regex = cuts[pre];
  const first = regex
    ? [{ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false }]
    : ["smollm", "starcoder", "refact"].includes(pre)
      ? [{ type: "Digits", individual_digits: true }]
      : [];
  return {
    added_tokens: added(metadata, tokens),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...first, { ...bytes, use_regex: !regex }] },
    post_processor: around(metadata, tokens, false),
    decoder: { ...bytes, use_regex: true },
    model: {
      type: "BPE",
      vocab: vocabulary(tokens),
      merges: metadata["tokenizer.ggml.merges"] as string[],
      ignore_merges: pre === "llama-bpe",
    },
  };
}

function sentencePiece(metadata: Metadata, tokens: string[]): TokenizerJson {
  const scores = (metadata["tokenizer.ggml.scores"] as number[] | undefined) ?? tokens.map((_, i) => -i);
  const kinds = (metadata["tokenizer.ggml.token_type"] as number[] | undefined) ?? [];
  const unknown = tokens[(metadata["tokenizer.ggml.unknown_token_id"] as number | undefined) ?? 0];
  const prefix = metadata["tokenizer.ggml.add_space_prefix"] !== false;
  const space = { type: "Replace", pattern: { String: " " }, content: "▁" };
  return {
    added_tokens: added(metadata, tokens),
    normalizer: { type: "Sequence", normalizers: [...(prefix ? [{ type: "Prepend", prepend: "▁" }] : []), space] },
    pre_tokenizer: null,
    post_processor: around(metadata, tokens, true),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      vocab: vocabulary(tokens),
      merges: mergesFromScores(tokens, scores, kinds),
      unk_token: unknown,
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

/** SentencePiece joins the pair whose result scores best; so every way to make a piece is a merge, best pieces first. */
function mergesFromScores(tokens: string[], scores: number[], kinds: number[]): [string, string][] {
  const ids = new Map(tokens.map((t, i) => [t, i]));
  const found: { pair: [string, string]; score: number; left: number; right: number }[] = [];
  tokens.forEach((piece, i) => {
    if (kinds[i] !== undefined && kinds[i] !== kind.normal) return;
    const chars = [...piece];
    for (let cut = 1; cut < chars.length; cut++) {
      const pair: [string, string] = [chars.slice(0, cut).join(""), chars.slice(cut).join("")];
      const [left, right] = [ids.get(pair[0]), ids.get(pair[1])];
      if (left !== undefined && right !== undefined) found.push({ pair, score: scores[i]!, left, right });
    }
  });
  found.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  return found.map((f) => f.pair);
}

/** No prototype: a token may be called "constructor". Of equal tokens the first id counts. */
function vocabulary(tokens: string[]): Record<string, number> {
  const out: Record<string, number> = Object.create(null);
  tokens.forEach((t, id) => (out[t] ??= id));
  return out;
}

function added(metadata: Metadata, tokens: string[]): TokenizerJson["added_tokens"] {
  const kinds = (metadata["tokenizer.ggml.token_type"] as number[] | undefined) ?? [];
  return tokens.flatMap((content, id) => {
    const special = kinds[id] === kind.control || kinds[id] === kind.unknown;
    return special || kinds[id] === kind.userDefined ? [{ id, content, special, normalized: false }] : [];
  });
}

/** The tokens put around a text: only those that the file says to add. */
function around(metadata: Metadata, tokens: string[], bosDefault: boolean): TokenizerJson["post_processor"] {
  const named = (role: "bos" | "eos", fallback: boolean): { token: string; id: number }[] => {
    const id = metadata[`tokenizer.ggml.${role}_token_id`] as number | undefined;
    const adds = (metadata[`tokenizer.ggml.add_${role}_token`] as boolean | undefined) ?? fallback;
    return adds && id !== undefined && tokens[id] !== undefined ? [{ token: tokens[id], id }] : [];
  };
  const [before, after] = [named("bos", bosDefault), named("eos", false)];
  if (before.length + after.length === 0) return null;
  const put = (list: { token: string }[]): object[] => list.map((t) => ({ SpecialToken: { id: t.token, type_id: 0 } }));
  const text = (id: string): object => ({ Sequence: { id, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [...put(before), text("A"), ...put(after)],
    pair: [...put(before), text("A"), ...put(after), ...put(before), text("B"), ...put(after)],
    special_tokens: Object.fromEntries(
      [...before, ...after].map((t) => [t.token, { id: t.token, ids: [t.id], tokens: [t.token] }]),
    ),
  };
}
