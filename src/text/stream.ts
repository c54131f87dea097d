/**
 * @file Text as its tokens come: whole characters only.
 *
 * A character may be spread over several tokens (an emoji has four bytes), and a token's leading space depends on what
 * stands before it. So what is decoded is a window that begins at a token known to be whole, and only what it adds to
 * the window before it is given out.
 */
import type { Tokenizer } from "./tokenizer.js";

export class TokenStream {
  readonly #tokenizer: Tokenizer;
  #ids: number[];
  /** How many ids of the window have been given out. */
  #given: number;

  /** @param before  ids that stand before the first one added */
  constructor(tokenizer: Tokenizer, before: readonly number[] = []) {
    this.#tokenizer = tokenizer;
    this.#ids = before.slice(-8);
    this.#given = this.#ids.length;
  }

  /**
   * Takes the next id.
   * @param isLast  give out what there is, an incomplete character as "�"
   * @returns the text it completes, perhaps ""
   */
  add(id: number, isLast = false): string {
    this.#ids.push(id);
    const before = this.#text(this.#ids.slice(0, this.#given));
    const now = this.#text(this.#ids);
    if (now.endsWith("�") && !isLast) return "";
    this.#ids = this.#ids.slice(Math.max(0, this.#given - 4)); // a few whole tokens are context enough
    this.#given = this.#ids.length;
    return now.startsWith(before) ? now.slice(before.length) : now;
  }

  #text(ids: readonly number[]): string {
    return this.#tokenizer.decode(ids, { skipSpecialTokens: true });
  }
}
