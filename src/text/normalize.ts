/**
 * @file Normalisers: text → the text a vocabulary was made for, with alignment.
 *
 * One function a kind of tokenizer.json. Each does to `Aligned` what the Rust library does to its NormalizedString.
 */
import { OptionError } from "../tensor/index.js";
import type { Aligned } from "./aligned.js";
import { charsmap } from "./charsmap.js";
import type { Step } from "./json.js";
import { compilePattern } from "./library.js";
import { leadingSpace, trailingSpace } from "./spaces.js";

type Normalize = (text: Aligned) => Aligned;

/** A character and the marks that may combine with it; Hangul syllables may be written as up to three letters. */
const composable = /[\u1100-\u11ff\ua960-\ud7ff]+|[\s\S]\p{M}*/gu;

const unicode = (form: "NFC" | "NFD" | "NFKC" | "NFKD"): Normalize => {
  const rewrite = (part: string): string => part.normalize(form);
  if (form.endsWith("D")) return (text) => text.mapCharacters(rewrite);
  const apart = form === "NFC" ? "NFD" : "NFKD";
  return (text) =>
    text.mapStretches(composable, (part) => {
      const to = rewrite(part);
      return { to, places: to === part ? [] : composed(part, to, apart) };
    });
};

/**
 * Which character of a stretch each character of its composed form stands for: the first of those whose letters, taken
 * apart, it begins to use up; a letter that only adds itself ("ﬁ" → "f", "i") stands for the one before it.
 */
function composed(part: string, to: string, apart: "NFD" | "NFKD"): number[] {
  const letters = (char: string): number => [...char.normalize(apart)].length;
  const starts: number[] = []; // where each character's letters begin
  let at = 0;
  for (const char of part) {
    starts.push(at);
    at += letters(char);
  }
  const begunBefore = (letter: number): number => starts.filter((start) => start < letter).length;
  let letter = 0;
  return [...to].map((char) => {
    const first = begunBefore(letter);
    letter += letters(char);
    return begunBefore(letter) > first ? first : Math.max(first - 1, 0);
  });
}
const drop = (pattern: RegExp): Normalize => {
  return (text) => text.mapCharacters((c) => (pattern.test(c) ? "" : c));
};
const lowercase: Normalize = (text) => text.mapCharacters((c) => c.toLowerCase());

/** Turns the `normalizer` section into a function. */
export function normalizer(step: Step | null | undefined): Normalize {
  if (!step) return (text) => text;
  switch (step.type) {
    case "Sequence": {
      const all = (step["normalizers"] as Step[]).map(normalizer);
      return (text) => all.reduce((t, normalize) => normalize(t), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return unicode(step.type);
    case "Lowercase":
      return lowercase;
    case "StripAccents":
      return drop(/\p{M}/u);
    case "Strip":
      return strip(step["strip_left"] !== false, step["strip_right"] !== false);
    case "Prepend":
      return (text) => text.prepend(step["prepend"] as string);
    case "Replace": {
      const pattern = compilePattern(step["pattern"]);
      return (text) => text.replace(pattern, (step["content"] as string) ?? "");
    }
    case "Precompiled":
      return charsmap(step["precompiled_charsmap"] as string);
    case "BertNormalizer":
      return bert(step);
    default:
      throw new OptionError({
        where: "loadTokenizer",
        argument: "tokenizer.json",
        got: `has a normalizer of type "${step.type}"`,
        expected:
          "one of BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents",
      });
  }
}

function strip(left: boolean, right: boolean): Normalize {
  return (text) => {
    const start = left ? leadingSpace(text.text) : 0;
    const end = right ? text.length - trailingSpace(text.text) : text.length;
    return start < end ? text.slice(start, end) : text.slice(0, 0);
  };
}

/** Tab and line ends count as white space, not as control characters. */
const control = /^(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const ideograph =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/u;

/** BERT's own cleaning: https://github.com/google-research/bert, tokenization.py. */
function bert(step: Step): Normalize {
  const lower = step["lowercase"] !== false;
  const accents = step["strip_accents"] ?? lower;
  const steps: Normalize[] = [];
  if (step["clean_text"] !== false) {
    steps.push((text) =>
      text.mapCharacters((c) => {
        if (c === "\0" || c === "\ufffd" || control.test(c)) return "";
        return /\p{White_Space}/u.test(c) ? " " : c;
      }),
    );
  }
  if (step["handle_chinese_chars"] !== false) {
    steps.push((text) => text.mapCharacters((c) => (ideograph.test(c) ? ` ${c} ` : c)));
  }
  if (accents) steps.push(unicode("NFD"), drop(/\p{Mn}/u));
  if (lower) steps.push(lowercase);
  return (text) => steps.reduce((t, normalize) => normalize(t), text);
}
