/**
 * @file Added tokens: words such as "[MASK]" or "<|im_start|>" that are found before anything else is cut.
 *
 * Leftmost, then longest match. `lstrip` and `rstrip` take in the white space beside the token, `single_word` asks for
 * a word's edge on either side.
 */
import type { Aligned } from "./aligned.js";
import type { AddedTokenJson } from "./json.js";
import { leadingSpace, trailingSpace } from "./spaces.js";

/** A stretch of text: ordinary, or an added token (then `token` is set). */
export interface Section {
  text: Aligned;
  token?: AddedTokenJson;
}

/**
 * A function that cuts a text at added tokens.
 * @param written  how each token is written in the text to cut (normalised, if the text is)
 */
export function addedTokenSplitter(
  tokens: readonly AddedTokenJson[],
  written: (token: AddedTokenJson) => string = (token) => token.content,
): (text: Aligned) => Section[] {
  const byForm = new Map<string, AddedTokenJson>();
  for (const token of tokens) if (written(token)) byForm.set(written(token), token);
  if (byForm.size === 0) return (text) => (text.length ? [{ text }] : []);
  const forms = [...byForm.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(forms.map((f) => f.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "gu");
  return (text) => {
    const out: Section[] = [];
    let last = 0;
    for (const match of text.text.matchAll(pattern)) {
      const token = byForm.get(match[0])!;
      let [start, end] = [match.index, match.index + match[0].length];
      if (start < last || (token.single_word && !standsAlone(text.text, start, end))) continue;
      if (token.lstrip) start = Math.max(last, start - trailingSpace(text.text.slice(0, start)));
      if (token.rstrip) end = end + leadingSpace(text.text.slice(end));
      if (start > last) out.push({ text: text.slice(last, start) });
      out.push({ text: text.slice(start, end), token });
      last = end;
    }
    if (last < text.length) out.push({ text: text.slice(last, text.length) });
    return out;
  };
}

function standsAlone(text: string, start: number, end: number): boolean {
  return (
    !/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(text.slice(0, start)) &&
    !/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(text.slice(end))
  );
}
