/**
 * @file Byte-level byte-pair encoding, trained here: a tokenizer that any text fits into, and its tokenizer.json.
 *
 *     "lower low"  →  words " lower", "low" as bytes  →  join the most frequent neighbours, again and again
 *
 * Sennrich et al. 2016 (arXiv:1508.07909) alg. 1, over bytes as GPT-2 does (Radford et al. 2019, §2.2): 256 bytes are the
 * first tokens, so nothing is unknown. The file is read by @huggingface/tokenizers and by `loadTokenizer`.
 */

/** GPT-2's cut into words: a space belongs to the word after it. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export interface BytePairs {
  /** Token text by id, in the printable form of tokenizer.json: specials first, then bytes, then merges. */
  readonly tokens: readonly string[];
  /** Pairs in the order they were joined. */
  readonly merges: readonly (readonly [string, string])[];
  readonly specials: readonly string[];
}

/**
 * Learns merges until there are `size` tokens. Ties go to the pair that comes first in the order of code points, so the
 * same texts give the same tokens everywhere.
 * @param size all tokens: specials + 256 bytes + merges
 * Cost: one pass over the texts, then for each merge the distinct pairs and the words that hold the pair.
 */
export function trainBytePairs(texts: Iterable<string>, size: number, specials: readonly string[] = []): BytePairs {
  const pairs = new PairCounts(countWords(texts));
  const tokens = [...specials, ...LETTERS];
  const merges: [string, string][] = [];
  while (tokens.length < size) {
    const best = pairs.mostFrequent();
    if (!best) break;
    merges.push(best);
    tokens.push(best[0] + best[1]);
    pairs.join(best);
  }
  return { tokens, merges, specials };
}

interface Word {
  parts: string[];
  count: number;
}

function countWords(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Array.from(counts, ([word, count]) => ({ parts: letters(word), count }));
}

/** How often each pair of neighbours occurs, and in which words: a merge then looks at those words only. */
class PairCounts {
  readonly #counts = new Map<string, number>();
  readonly #words = new Map<string, Set<Word>>();

  constructor(words: readonly Word[]) {
    for (const word of words) this.#count(word, 1);
  }

  mostFrequent(): [string, string] | undefined {
    let best: string | undefined;
    let most = 1; // a pair seen once teaches nothing
    for (const [pair, count] of this.#counts) {
      if (count > most || (count === most && best !== undefined && pair < best)) [best, most] = [pair, count];
    }
    return best?.split(" ") as [string, string] | undefined;
  }

  join([left, right]: readonly [string, string]): void {
    for (const word of [...(this.#words.get(pairOf(left, right)) ?? [])]) {
      this.#count(word, -1);
      joinPair(word.parts, left, right);
      this.#count(word, 1);
    }
  }

  #count(word: Word, sign: 1 | -1): void {
    for (let i = 1; i < word.parts.length; i++) {
      const pair = pairOf(word.parts[i - 1]!, word.parts[i]!);
      this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + sign * word.count);
      let words = this.#words.get(pair);
      if (!words) this.#words.set(pair, (words = new Set()));
      if (sign === 1) words.add(word);
      else words.delete(word);
    }
  }
}

/** Two parts as one key; a space is no letter of the printable form. */
function pairOf(left: string, right: string): string {
  return `${left} ${right}`;
}

/** Joins every occurrence of a pair, from the left, in place. */
function joinPair(parts: string[], left: string, right: string): void {
  for (let i = 0; i + 1 < parts.length; i++) {
    if (parts[i] === left && parts[i + 1] === right) parts.splice(i, 2, left + right);
  }
}

/** Text → ids, for a corpus: words are looked up after they were cut up once. Specials in the text are plain text. */
export function bytePairEncoder({ tokens, merges }: BytePairs): (text: string) => number[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const ranks = new Map(merges.map(([a, b], rank) => [pairOf(a, b), rank]));
  const known = new Map<string, readonly number[]>();
  const cut = (word: string): number[] => {
    const parts = letters(word);
    for (;;) {
      let first = Number.POSITIVE_INFINITY;
      for (let i = 1; i < parts.length; i++) {
        first = Math.min(first, ranks.get(pairOf(parts[i - 1]!, parts[i]!)) ?? Number.POSITIVE_INFINITY);
      }
      if (first === Number.POSITIVE_INFINITY) return parts.map((part) => ids.get(part)!);
      joinPair(parts, ...merges[first]!);
    }
  };
  return (text) => {
    const out: number[] = [];
    for (const [word] of text.matchAll(WORDS)) {
      let cached = known.get(word);
      if (!cached) known.set(word, (cached = cut(word)));
      for (const id of cached) out.push(id);
    }
    return out;
  };
}

/** The tokenizer.json of Hugging Face's tokenizers. */
export function tokenizerJson({ tokens, merges, specials }: BytePairs): object {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specials.map((content, id) => ({
      id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true,
    })), // biome-ignore format: a row
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** A printable letter for each byte, in the order of the bytes. */
const LETTERS: readonly string[] = (() => {
  // Printable Latin-1 bytes stand for themselves; the others move, in order, to U+0100 and up: GPT-2's table.
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 0x100 + moved++));
})();

const utf8 = new TextEncoder();
function letters(word: string): string[] {
  return Array.from(utf8.encode(word), (byte) => LETTERS[byte]!);
}
