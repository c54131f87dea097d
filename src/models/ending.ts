/** @file When a text is over, and what each of its tokens adds to it. */
import { OptionError } from "../tensor/index.js";
import { TokenStream } from "../text/index.js";
import type { Model } from "./model.js";

/** One text of a generation. */
export class Ending {
  readonly #stream: TokenStream | undefined;
  readonly #ends: ReadonlySet<number>;
  readonly #stops: readonly string[];
  #tail = "";
  /** True once the end token, a stop text or a stop id has come. */
  done = false;

  /** @param prompt  what stands before: a first token's leading space depends on it */
  constructor(model: Model, prompt: readonly number[], stop: readonly (string | number)[] | undefined) {
    const isPrompt = model.family === "decoder"; // a translation does not continue its source
    this.#stream = model.hasTokenizer ? new TokenStream(model.tokenizer, isPrompt ? prompt : []) : undefined;
    const own = stop?.length === 0 ? [] : model.endIds;
    this.#ends = new Set([...own, ...(stop ?? []).filter((s) => typeof s === "number")]);
    this.#stops = (stop ?? []).filter((s) => typeof s === "string");
    if (this.#stops.length > 0 && !this.#stream) {
      throw new OptionError({
        where: "generate",
        argument: "stop",
        got: "has texts, and this model has no tokenizer",
        expected: "ids",
      });
    }
  }

  /** Takes the next id. @returns the text it adds */
  add(id: number, isLast: boolean): string {
    if (this.#ends.has(id)) this.done = true;
    if (!this.#stream) return "";
    const text = this.#stream.add(id, isLast || this.done);
    const longest = this.#stops.reduce((n, s) => Math.max(n, s.length), 0);
    const whole = this.#tail + text;
    if (this.#stops.some((s) => whole.includes(s))) this.done = true;
    this.#tail = whole.slice(Math.max(0, whole.length - longest + 1));
    return text;
  }
}
