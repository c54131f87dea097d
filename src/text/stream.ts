/**
 * @file Text as its tokens come: whole characters only.
 *
 *     window   ├── last whole piece ──┤├── not whole yet ──┤
 *              what it reads alone     what it reads with what follows, less that: what follows adds
 *
 * A character may be spread over several tokens (an emoji has four bytes), and a token's leading space depends on what
 * stands before it. So what is decoded is a window that begins where a character began.
 */
import type { Tokenizer } from "./tokenizer.js";

/** Unfinished characters at the end of a text. */
const unfinished = /�+$/;

export class TokenStream {
  readonly #tokenizer: Tokenizer;
  #ids: number[];
  /** How many ids of the window are given out whole. */
  #given: number;
  /** What has been given out of those behind them. */
  #begun = "";

  /** @param before  ids that stand before the first one added */
  constructor(tokenizer: Tokenizer, before: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    let context = 4;
    const window = (): number[] => before.slice(-context);
    // Enough of it to begin with a whole character, and to say something.
    while (context < before.length && /^(�|$)/.test(this.#text(window()))) context *= 2;
    this.#ids = window();
    this.#given = this.#ids.length;
    // A prompt may end within a character: its rest is given out as the whole character.
    const cut = [0, 1, 2, 3].find((n) => !unfinished.test(this.#text(this.#ids.slice(0, this.#ids.length - n)))) ?? 0;
    this.#given -= cut;
    this.#begun = this.#added();
  }

  /**
   * Takes the next id. One that the tokenizer does not know (an embedding may have more rows than there are tokens) says
   * nothing.
   * @param isLast  give out what there is, an incomplete character as "�"
   * @returns the text it completes, perhaps ""
   */
  add(id: number, isLast = false): string {
    this.#ids.push(id);
    const added = this.#added();
    const whole = isLast ? added : added.replace(unfinished, "");
    const out = whole.startsWith(this.#begun) ? whole.slice(this.#begun.length) : whole;
    if (whole === added) this.#close();
    else if (whole.length > this.#begun.length) this.#begun = whole;
    return out;
  }

  /** No more ids come. @returns what is left, an incomplete character as "�" */
  end(): string {
    const left = this.#added().slice(this.#begun.length);
    this.#close();
    return left;
  }

  /** What the ids behind the last whole piece add to it. */
  #added(): string {
    const before = this.#text(this.#ids.slice(0, this.#given));
    const now = this.#text(this.#ids);
    if (now.startsWith(before)) return now.slice(before.length);
    return this.#text(this.#ids.slice(this.#given)); // bytes that spoil what stood before them: it has been given out
  }

  /** All is given out: the window begins at the piece that has just become whole, if that says anything. */
  #close(): void {
    const last = this.#ids.slice(this.#given);
    if (this.#text(last) !== "") this.#ids = last;
    this.#given = this.#ids.length;
    this.#begun = "";
  }

  #text(ids: readonly number[]): string {
    const known = ids.filter((id) => this.#tokenizer.idToToken(id) !== undefined);
    return this.#tokenizer.decode(known, { skipSpecialTokens: true });
  }
}
