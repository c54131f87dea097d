/**
 * @file Pre-tokenizers: normalised text → pieces that no token crosses, with alignment.
 *
 * One function a kind of tokenizer.json; a splitter finds matches, a behaviour says what becomes of them.
 */
import { OptionError } from "../tensor/index.js";
import type { Aligned } from "./aligned.js";
import type { Step } from "./json.js";
import { compilePattern } from "./library.js";

type PreTokenize = (piece: Aligned) => Aligned[];
type Behaviour = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d]";
const punctuation = "[\\p{P}!-/:-@\\[-`{-~]";
/** GPT-2's cut (Radford et al. 2019), https://github.com/openai/gpt-2, encoder.py. */
const gpt2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Turns the `pre_tokenizer` section into a function. */
export function preTokenizer(step: Step | null | undefined): PreTokenize {
  if (!step) return (piece) => [piece];
  switch (step.type) {
    case "Sequence": {
      const all = (step["pretokenizers"] as Step[]).map(preTokenizer);
      return (piece) => all.reduce((pieces, cut) => pieces.flatMap(cut), [piece]);
    }
    case "ByteLevel":
      return byteLevel(step["add_prefix_space"] === true, step["use_regex"] !== false);
    case "Metaspace":
      return metaspace(step);
    case "Split": {
      const pattern = compilePattern(step["pattern"]);
      return (piece) => split(piece, pattern, step["behavior"] as Behaviour, step["invert"] === true);
    }
    case "BertPreTokenizer":
      return (piece) =>
        split(piece, /\p{White_Space}/gu, "Removed").flatMap((p) =>
          split(p, new RegExp(punctuation, "gu"), "Isolated"),
        );
    case "Whitespace":
      return (piece) => split(piece, new RegExp(`${word}+|(?:(?!${word})\\P{White_Space})+`, "gu"), "Removed", true);
    case "WhitespaceSplit":
      return (piece) => split(piece, /\p{White_Space}/gu, "Removed");
    case "Punctuation":
      return (piece) =>
        split(piece, new RegExp(punctuation, "gu"), (step["behavior"] as Behaviour | undefined) ?? "Isolated");
    case "Digits":
      return (piece) => split(piece, /\p{N}/gu, step["individual_digits"] ? "Isolated" : "Contiguous");
    case "CharDelimiterSplit":
      return (piece) => split(piece, literal(step["delimiter"] as string), "Removed");
    case "FixedLength":
      return (piece) => split(piece, new RegExp(`[\\s\\S]{1,${step["length"] as number}}`, "gu"), "Isolated");
    default:
      throw new OptionError({
        where: "loadTokenizer",
        argument: "tokenizer.json",
        got: `has a pre_tokenizer of type "${step.type}"`,
        expected:
          "one of BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit",
      });
  }
}

const literal = (text: string): RegExp => new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gu");

/** Every byte as a printable character, as GPT-2's vocabulary writes bytes. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
})();

const utf8 = new TextEncoder();
const asBytes = (char: string): string => Array.from(utf8.encode(char), (b) => byteCharacters[b]).join("");

function byteLevel(prefixSpace: boolean, regex: boolean): PreTokenize {
  return (piece) => {
    const spaced = prefixSpace && !piece.text.startsWith(" ") ? piece.prepend(" ") : piece;
    const pieces = regex ? split(spaced, gpt2, "Isolated") : [spaced];
    return pieces.map((p) => p.mapCharacters(asBytes));
  };
}

/** SentencePiece's way: a space is written "▁" and belongs to the word after it. */
function metaspace(step: Step): PreTokenize {
  const mark = (step["replacement"] as string | undefined) ?? "▁";
  const older = step["add_prefix_space"] === false ? "never" : "always"; // files from before prepend_scheme
  const scheme = (step["prepend_scheme"] as string | undefined) ?? older;
  return (piece) => {
    let text = piece.replace(/ /g, mark);
    const first = piece.range(0, 0)[0] === 0;
    if (!text.text.startsWith(mark) && (scheme === "always" || (scheme === "first" && first)))
      text = text.prepend(mark);
    return step["split"] === false ? [text] : split(text, literal(mark), "MergedWithNext");
  };
}

/**
 * Cuts a piece at the matches of a pattern.
 *
 *     "a--b" at /-/   Removed  a b      Isolated  a - - b      Contiguous  a -- b
 *                     MergedWithPrevious  a- - b               MergedWithNext  a - -b
 *
 * @param inverted  true: what lies between matches is the delimiter
 */
export function split(piece: Aligned, pattern: RegExp, behaviour: Behaviour, inverted = false): Aligned[] {
  const parts: { start: number; end: number; delimiter: boolean }[] = [];
  let last = 0;
  for (const match of piece.text.matchAll(pattern)) {
    if (match[0].length === 0) continue;
    if (match.index > last) parts.push({ start: last, end: match.index, delimiter: inverted });
    last = match.index + match[0].length;
    parts.push({ start: match.index, end: last, delimiter: !inverted });
  }
  if (last < piece.length) parts.push({ start: last, end: piece.length, delimiter: inverted });
  return joined(parts, behaviour).map(({ start, end }) => piece.slice(start, end));
}

type Part = { start: number; end: number; delimiter: boolean };

function joined(parts: Part[], behaviour: Behaviour): Part[] {
  if (behaviour === "Removed") return parts.filter((p) => !p.delimiter);
  if (behaviour === "Isolated") return parts;
  const out: Part[] = [];
  for (const part of behaviour === "MergedWithNext" ? [...parts].reverse() : parts) {
    const before = out.at(-1);
    // What joins its neighbour: a delimiter its text, or, when contiguous, like its like. A delimiter joins only once.
    const joins =
      before &&
      (behaviour === "Contiguous" ? part.delimiter === before.delimiter : part.delimiter && !before.delimiter);
    if (joins) {
      before.start = Math.min(before.start, part.start);
      before.end = Math.max(before.end, part.end);
      if (behaviour !== "Contiguous") before.delimiter = true;
    } else out.push({ ...part });
  }
  return behaviour === "MergedWithNext" ? out.reverse() : out;
}
