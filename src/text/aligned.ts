/**
 * @file Text that remembers where it came from.
 *
 * A normaliser rewrites text before it is cut into tokens: "Crème" becomes "creme", a space becomes "▁", one character
 * becomes its four UTF-8 bytes. `Aligned` carries, for every UTF-16 unit of the rewritten text, the range of the
 * original it stands for, so that a token found in the rewritten text can be underlined in the one a person typed:
 *
 *     original   C r è m e           text   c  r  e  m  e        text   C  r  Ã  ¨  m  e       (bytes of è)
 *                0 1 2 3 4           from   0  1  2  3  4        from   0  1  2  2  3  4
 *                                    to     1  2  3  4  5        to     1  2  3  3  4  5
 *
 * The rules for what an inserted or removed character is aligned to are those of the Rust `tokenizers` library, so the
 * offsets are the ones Python users see (there in code points, here in UTF-16 units, as `String.prototype.slice` takes).
 */

/** A text whose every UTF-16 unit knows the range [from, to) of the original it stands for. */
export class Aligned {
  readonly text: string;
  readonly from: readonly number[];
  readonly to: readonly number[];

  /** Use `Aligned.of`. */
  constructor(text: string, from: readonly number[], to: readonly number[]) {
    this.text = text;
    this.from = from;
    this.to = to;
  }

  /** A text that nothing has happened to. Both halves of a surrogate pair stand for the whole character. */
  static of(text: string): Aligned {
    const build = new Builder();
    let at = 0;
    for (const char of text) {
      build.add(char, at, at + char.length);
      at += char.length;
    }
    return build.done();
  }

  get length(): number {
    return this.text.length;
  }

  /** The range of the original that units [start, end) stand for; [0, 0] for an empty range at the very start. */
  range(start: number, end: number): [number, number] {
    if (end > start) return [this.from[start]!, this.to[end - 1]!];
    const at = start > 0 ? this.to[start - 1]! : (this.from[0] ?? 0);
    return [at, at];
  }

  slice(start: number, end: number): Aligned {
    return new Aligned(this.text.slice(start, end), this.from.slice(start, end), this.to.slice(start, end));
  }

  /** Rewrites character by character; whatever a character becomes stands for that character. */
  mapCharacters(rewrite: (char: string) => string): Aligned {
    const build = new Builder();
    let at = 0;
    for (const char of this.text) {
      build.add(rewrite(char), this.from[at]!, this.to[at + char.length - 1]!);
      at += char.length;
    }
    return build.done();
  }

  /**
   * Rewrites stretches that belong together (a letter and its combining marks). Character i of the result stands for
   * character `places[i]` of the stretch.
   */
  mapStretches(stretch: RegExp, rewrite: (part: string) => { to: string; places: readonly number[] }): Aligned {
    return this.mapParts(
      Array.from(this.text.matchAll(stretch), ([part]) => {
        const { to, places } = rewrite(part);
        return [part, to, places];
      }),
    );
  }

  /**
   * Rewrites parts, which together are the text. Character i of the result stands for character `places[i]` of the part,
   * default i, surplus characters for its last one.
   */
  mapParts(parts: Iterable<readonly [part: string, to: string, places?: readonly number[]]>): Aligned {
    const build = new Builder();
    let at = 0;
    for (const [part, to, places] of parts) {
      const starts: number[] = [];
      for (const char of part) {
        starts.push(at);
        at += char.length;
      }
      let i = 0;
      for (const char of to) {
        const start = starts[Math.min(places?.[i] ?? i, starts.length - 1)]!;
        i++;
        build.add(char, this.from[start]!, this.to[start]!);
      }
    }
    return build.done();
  }

  /** Replaces every match; what is put in stands for the last character it replaces. */
  replace(pattern: RegExp, content: string): Aligned {
    const build = new Builder();
    let last = 0;
    for (const match of this.text.matchAll(pattern)) {
      build.copy(this, last, match.index);
      last = match.index + match[0].length;
      const unit = Math.max(last - 1, 0);
      build.add(content, this.from[unit] ?? 0, this.to[unit] ?? 0);
    }
    return build.copy(this, last, this.length).done();
  }

  /** Puts a prefix in front; it stands for the first character. Nothing is put in front of an empty text. */
  prepend(prefix: string): Aligned {
    if (this.length === 0) return this;
    return new Builder().add(prefix, this.from[0]!, this.to[0]!).copy(this, 0, this.length).done();
  }
}

class Builder {
  #text = "";
  readonly #from: number[] = [];
  readonly #to: number[] = [];

  add(text: string, from: number, to: number): this {
    this.#text += text;
    for (let i = 0; i < text.length; i++) {
      this.#from.push(from);
      this.#to.push(to);
    }
    return this;
  }

  copy(source: Aligned, start: number, end: number): this {
    this.#text += source.text.slice(start, end);
    for (let i = start; i < end; i++) {
      this.#from.push(source.from[i]!);
      this.#to.push(source.to[i]!);
    }
    return this;
  }

  done(): Aligned {
    return new Aligned(this.#text, this.#from, this.#to);
  }
}
