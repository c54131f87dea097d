/**
 * @file The tokenizer inside a GGUF file, as the tokenizer.json it was made from.
 *
 * `tokenizer.ggml.model` is "gpt2" (byte-level BPE with its merges; `tokenizer.ggml.pre` says how text is cut before),
 * "llama" (SentencePiece: pieces with scores, from which the merges follow), "t5" (a unigram model: scores are its log
 * probabilities) or "bert" (WordPiece; where a checkpoint marks pieces inside a word by ##, the file marks those that
 * begin one by ▁).
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
  const make = Object.hasOwn(makers, String(model)) ? makers[model as keyof typeof makers] : undefined;
  if (!make) {
    throw new FileError({
      where: "loadModel",
      argument: `"tokenizer.ggml.model" of ${file}`,
      got: `is ${JSON.stringify(model)}`,
      expected: '"gpt2", "llama", "t5" or "bert"',
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

/** GPT-2's own cut. */
const gpt2 = undefined;
/** Digits one by one first, then as GPT-2. */
const digits = "digits";
const letters = (before: string, numbers: string, after = "[\\r\\n]*"): string =>
  String.raw`${before}[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+${after}|\s*[\r\n]+|\s+(?!\S)|\s+`;
const contracted = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|";
const llama3 = letters(contracted, String.raw`\p{N}{1,3}`);
const qwen2 = letters(contracted, String.raw`\p{N}`);
/** Words by case: capitals, then small letters. */
const byCase = (numbers: string, ending = ""): string => {
  const [start, upper, lower] = [
    String.raw`[^\r\n\p{L}\p{N}]?`,
    String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`,
    String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`,
  ];
  const rest = String.raw`${numbers}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  return `${start}${upper}*${lower}+${ending}|${start}${upper}+${lower}*${ending}|${rest}`;
};

/** How byte-level tokenizers cut text first, by `tokenizer.ggml.pre`. */
const cuts: Readonly<Record<string, string | undefined>> = {
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  dbrx: llama3, // OLMo 2, Phi-4
  "smaug-bpe": llama3,
  "chatglm-bpe": llama3,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: qwen2,
  "gpt-4o": byCase(String.raw`\p{N}{1,3}`, "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"), // Phi-4-mini
  llama4: byCase(String.raw`\p{N}{1,3}`, "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"),
  tekken: byCase(String.raw`\p{N}`), // Mistral NeMo
  smollm: digits,
  starcoder: digits,
  refact: digits,
  "command-r": digits,
  codeshell: digits,
  exaone: digits,
  "minerva-7b": digits,
  "gpt-2": gpt2,
  "phi-2": gpt2,
  olmo: gpt2, // Pythia too
  jais: gpt2,
  mpt: gpt2,
  "jina-es": gpt2,
  "jina-de": gpt2,
  gigachat: gpt2,
  "roberta-bpe": gpt2,
  default: gpt2,
};
/** Pieces that a merge need not reach are found whole: the whole word first. */
const wholeFirst = new Set(["llama-bpe", "llama3", "llama-v3", "tekken"]);

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
  const cut = cuts[pre];
  const regex = cut === digits ? undefined : cut;
  const first = regex
    ? [{ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false }]
    : cut === digits
      ? [{ type: "Digits", individual_digits: true }]
      : [];
  return {
    added_tokens: added(metadata, tokens),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...first, { ...bytes, use_regex: !regex }] },
    post_processor: around(metadata, tokens, { bos: false, eos: false }),
    decoder: { ...bytes, use_regex: true },
    model: {
      type: "BPE",
      vocab: vocabulary(tokens),
      merges: metadata["tokenizer.ggml.merges"] as string[],
      ignore_merges: wholeFirst.has(pre),
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
    post_processor: around(metadata, tokens, { bos: true, eos: false }),
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

function unigram(metadata: Metadata, tokens: string[]): TokenizerJson {
  const scores = metadata["tokenizer.ggml.scores"] as number[];
  const charsmap = metadata["tokenizer.ggml.precompiled_charsmap"] as number[] | undefined;
  const squeezes = metadata["tokenizer.ggml.remove_extra_whitespaces"] === true;
  const scheme = metadata["tokenizer.ggml.add_space_prefix"] === false ? "never" : "always";
  const space = { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: true };
  return {
    added_tokens: added(metadata, tokens),
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(charsmap ? [{ type: "Precompiled", precompiled_charsmap: base64(charsmap) }] : []),
        ...(squeezes
          ? [
              { type: "Replace", pattern: { Regex: "^ +| +$" }, content: "" },
              { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
            ]
          : []),
      ],
    },
    pre_tokenizer: space,
    post_processor: around(metadata, tokens, { bos: false, eos: true }),
    decoder: space,
    model: {
      type: "Unigram",
      vocab: tokens.map((t, i): [string, number] => [t, scores[i]!]),
      unk_id: (metadata["tokenizer.ggml.unknown_token_id"] as number | undefined) ?? 2,
      byte_fallback: false,
    },
  };
}

function base64(bytes: readonly number[]): string {
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b & 255); // some writers store them as signed
  return btoa(text);
}

function wordPiece(metadata: Metadata, tokens: string[]): TokenizerJson {
  const kinds = (metadata["tokenizer.ggml.token_type"] as number[] | undefined) ?? [];
  const isPiece = (id: number): boolean => kinds[id] !== kind.control && kinds[id] !== kind.unknown;
  const own = tokens.map((t, id) => (!isPiece(id) ? t : t.startsWith("▁") ? t.slice(1) : `##${t}`));
  const idOf = (role: string, name: string): number =>
    (metadata[`tokenizer.ggml.${role}_token_id`] as number | undefined) ?? own.indexOf(name);
  const [cls, sep, unknown] = [idOf("cls", "[CLS]"), idOf("seperator", "[SEP]"), idOf("unknown", "[UNK]")];
  const lowercase = !tokens.some((t) => /^▁\p{Lu}/u.test(t)); // a vocabulary with capitals is a cased model's
  return {
    added_tokens: added({ ...metadata, "tokenizer.ggml.token_type": kinds }, own),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: template([{ token: own[cls]!, id: cls }], [{ token: own[sep]!, id: sep }], true),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      vocab: vocabulary(own),
      unk_token: own[unknown] ?? "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
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
    // RoBERTa's masked word takes the space before it; files do not say so, llama.cpp knows it by its name.
    const lstrip = content === "<mask>" && metadata["tokenizer.ggml.add_eos_token"] === true;
    return special || kinds[id] === kind.userDefined ? [{ id, content, special, normalized: false, lstrip }] : [];
  });
}

interface Marker {
  token: string;
  id: number;
}

/** The tokens put around a text: only those that the file says to add. */
function around(
  metadata: Metadata,
  tokens: string[],
  fallback: { bos: boolean; eos: boolean },
): TokenizerJson["post_processor"] {
  const named = (role: "bos" | "eos"): Marker[] => {
    const id = metadata[`tokenizer.ggml.${role}_token_id`] as number | undefined;
    const adds = (metadata[`tokenizer.ggml.add_${role}_token`] as boolean | undefined) ?? fallback[role];
    return adds && id !== undefined && tokens[id] !== undefined ? [{ token: tokens[id], id }] : [];
  };
  return template(named("bos"), named("eos"));
}

/** @param isBert  a pair has one token between its texts, and the second text is of type 1 */
function template(before: Marker[], after: Marker[], isBert = false): TokenizerJson["post_processor"] {
  if (before.length + after.length === 0) return null;
  const put = (list: Marker[], type_id: number): object[] =>
    list.map((t) => ({ SpecialToken: { id: t.token, type_id } }));
  const text = (id: string, type_id: number): object => ({ Sequence: { id, type_id } });
  const second = isBert ? 1 : 0;
  const first = [...put(before, 0), text("A", 0), ...put(after, 0)];
  return {
    type: "TemplateProcessing",
    single: first,
    pair: [...first, ...(isBert ? [] : put(before, 0)), text("B", second), ...put(after, second)],
    special_tokens: Object.fromEntries(
      [...before, ...after].map((t) => [t.token, { id: t.token, ids: [t.id], tokens: [t.token] }]),
    ),
  };
}

const makers = { gpt2: byteLevel, llama: sentencePiece, t5: unigram, bert: wordPiece };
