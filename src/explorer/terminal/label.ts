/** @file Tokens as labels: how wide they print, and made safe to print. */

/** The word-start and byte marks of common vocabularies as what they stand for; spaces alone as ␣. */
export function shownToken(token: string): string {
  const plain = token.replaceAll("Ġ", " ").replaceAll("▁", " ").replaceAll("Ċ", "⏎");
  return safe(plain === "" ? "∅" : plain.replace(/^ +$/, (all) => "␣".repeat(all.length)));
}

/** Control, bidirectional and zero-width characters as visible marks: a token must never move the cursor. */
export function safe(text: string): string {
  return text
    .replace(/\r?\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(/(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·"); // all but the joiner inside an emoji
}

const segments = new Intl.Segmenter("en", { granularity: "grapheme" });
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** What a reader sees as one character. */
export function graphemes(text: string): string[] {
  return Array.from(segments.segment(text), (s) => s.segment);
}

/** Columns a grapheme takes. */
export function graphemeWidth(grapheme: string): number {
  return wide.test(grapheme) ? 2 : 1;
}

/** Columns a text takes. */
export function textWidth(text: string): number {
  return graphemes(text).reduce((n, g) => n + graphemeWidth(g), 0);
}

/** Cut to a width, with "…" where something was cut, then padded to it. */
export function fitted(text: string, width: number, align: "left" | "right" = "left"): string {
  let out = text;
  if (textWidth(text) > width) {
    out = "";
    let used = 0;
    for (const g of graphemes(text)) {
      if (used + graphemeWidth(g) > width - 1) break;
      out += g;
      used += graphemeWidth(g);
    }
    out += width > 0 ? "…" : "";
  }
  const pad = " ".repeat(Math.max(0, width - textWidth(out)));
  return align === "left" ? out + pad : pad + out;
}
