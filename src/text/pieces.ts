/**
 * @file Where in its piece each token stands.
 *
 * The library's models give a piece's tokens without their places. The tokens, written one after another, are the
 * piece; except for marks of continuation ("##"), bytes ("<0xE2>") and the unknown token, which stand for one byte, one
 * character or a run of them.
 */

/** How a model writes its tokens. */
export interface Spelling {
  type: string; // BPE, WordPiece, Unigram
  unknown?: string | undefined;
  /** Before every token of a word but the first: "##". */
  continuing?: string | undefined;
  /** After the last token of a word: "</w>". */
  ending?: string | undefined;
  fusesUnknown: boolean;
}

const byteToken = /^<0x([0-9A-F]{2})>$/;
const utf8 = new TextEncoder();

/** [start, end) in UTF-16 units of the piece, for each token. */
export function placeTokens(piece: string, tokens: readonly string[], spelling: Spelling): [number, number][] {
  const { unknown, continuing, ending } = spelling;
  if (spelling.type === "WordPiece" && tokens.length === 1 && tokens[0] === unknown) return [[0, piece.length]];
  const places: [number, number][] = [];
  let at = 0;
  let pending = 0; // bytes of the character at `at` that earlier byte tokens have told
  tokens.forEach((token, i) => {
    let text = token;
    if (continuing && i > 0 && text.startsWith(continuing)) text = text.slice(continuing.length);
    if (ending && i === tokens.length - 1 && text.endsWith(ending)) text = text.slice(0, -ending.length);
    if (piece.startsWith(text, at)) {
      places.push([at, at + text.length]);
      at += text.length;
      return;
    }
    const char = String.fromCodePoint(piece.codePointAt(at) ?? 0);
    if (byteToken.test(token)) {
      places.push([at, at + char.length]);
      if (++pending === utf8.encode(char).length) {
        at += char.length;
        pending = 0;
      }
      return;
    }
    const end = spelling.fusesUnknown
      ? nextKnown(piece, at + char.length, tokens.slice(i + 1), unknown)
      : at + char.length;
    places.push([at, end]);
    at = end;
  });
  return places;
}

/** Where the next token that is written as it reads begins; the piece's end if there is none. */
function nextKnown(piece: string, from: number, rest: readonly string[], unknown: string | undefined): number {
  const next = rest.find((t) => t !== unknown && !byteToken.test(t));
  const at = next === undefined ? -1 : piece.indexOf(next, from);
  return at < 0 ? piece.length : at;
}
