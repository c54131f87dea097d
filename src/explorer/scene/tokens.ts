/** @file Tokens as labels: harmless, legible, one line. */
import type { Group, TokenView } from "../engine/protocol.js";

/** Characters that would move, hide or reorder what stands beside them, as visible marks. */
export function visible(text: string): string {
  return text
    .replace(/\r?\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(
      /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu,
      (c) => {
        return `⟨U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}⟩`;
      },
    );
}

/** A token's label: without the space it begins with; a lone space is shown as ␣. */
export function tokenLabel(token: Pick<TokenView, "text" | "raw">): string {
  const shown = visible(token.text.replace(/^ (?=.)/u, ""));
  return shown === " " || shown === "" ? (token.text === "" ? visible(token.raw) || "∅" : "␣") : shown;
}

/** A group's label: its tokens run together. */
export function groupLabel(tokens: readonly TokenView[], [from, to]: Group): string {
  if (to - from === 1) return tokenLabel(tokens[from]!);
  return tokenLabel({ text: tokens.slice(from, to).map((t) => t.text).join(""), raw: "" }); // biome-ignore format: one label
}

/** The tokens in which a piece of text begins, whatever the case; it may run over several tokens. */
export function tokensHolding(tokens: readonly TokenView[], wanted: string): number[] {
  if (wanted === "") return [];
  const ends: number[] = [];
  let text = "";
  for (const t of tokens) {
    const piece = (t.text || t.raw).toLowerCase();
    text += t.startsWord && text !== "" && !/^\s/.test(piece) ? ` ${piece}` : piece;
    ends.push(text.length);
  }
  const found: number[] = [];
  let token = 0;
  for (let at = text.indexOf(wanted.toLowerCase()); at >= 0; at = text.indexOf(wanted.toLowerCase(), at + 1)) {
    while (ends[token]! <= at) token++;
    if (found.at(-1) !== token) found.push(token);
  }
  return found;
}

/** Cut in the middle of nowhere: at most `most` characters, as graphemes. */
export function shortened(label: string, most: number): string {
  if (label.length <= most) return label;
  const parts = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(label)].map((s) => s.segment);
  return parts.length <= most ? label : `${parts.slice(0, most - 1).join("")}…`;
}

/** A weight for reading: four digits, never a false 0 or 1. */
export function weightText(w: number): string {
  if (Number.isNaN(w)) return "–";
  if (w === 0) return "0";
  if (w < 0.00005) return w.toExponential(1);
  if (w > 0.99995 && w < 1) return ">0.9999";
  return w.toFixed(4);
}

/** A weight where room is short. */
export function shortWeight(w: number): string {
  if (Number.isNaN(w)) return "";
  if (w > 0.995) return w === 1 ? "1" : ">.99";
  return w < 0.005 ? "" : w.toFixed(2).slice(1);
}

export function percent(p: number): string {
  if (p > 0 && p < 0.001) return "<0.1 %";
  return `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`;
}
