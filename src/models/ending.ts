/** @file When a text is over, and what each of its tokens adds to it. */
import { OptionError } from "../tensor/index.js";
import { TokenStream } from "../text/index.js";
import type { Model } from "./model.js";

/** One text of a generation. */
export class Ending {
  readonly #stream: TokenStream | undefined;
  readonly #ends: ReadonlySet<number>;
  readonly #stops: readonly string[];
  /** How a special token is written: its text is not given out, but may be asked to stop at. */
  readonly #special: (id: number) => string;
  /** How far back a stop text that ends now may have begun. */
  readonly #reach: number;
  #tail = "";
  /** True once the end token, a stop text or a stop id has come. */
  done = false;

  /** @param prompt  what stands before: a first token's leading space depends on it */
  constructor(model: Model, prompt: readonly number[], stop: readonly (string | number)[] | undefined) {
    const isPrompt = model.family === "decoder"; // a translation does not continue its source
    this.#stream = model.hasTokenizer ? new TokenStream(model.tokenizer, isPrompt ? prompt : []) : undefined;
    requireStops(stop);
    const own = stop?.length === 0 ? [] : model.endIds;
    this.#ends = new Set([...own, ...(stop ?? []).filter((s) => typeof s === "number")]);
    this.#stops = (stop ?? []).filter((s) => typeof s === "string");
    this.#reach = Math.max(0, ...this.#stops.map((s) => s.length)) - 1;
    this.#special = (id) => (this.#stream && model.tokenizer.isSpecial(id) ? model.tokenizer.idToToken(id)! : "");
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
    const whole = this.#tail + text + this.#special(id);
    const stops = this.#stops.some((s) => whole.includes(s));
    this.#tail = this.#reach > 0 ? whole.slice(-this.#reach) : "";
    if (!stops || this.done) return text;
    this.done = true;
    return text + this.#stream.end(); // what a stop text leaves unfinished is never finished
  }
}

function requireStops(stop: unknown): void {
  if (stop === undefined) return;
  const expected = "a list of texts and ids that end a text";
  const wrong = (got: string, fix?: string): OptionError =>
    new OptionError({ where: "generate", argument: "stop", got, expected, ...(fix && { fix }) });
  if (!Array.isArray(stop)) throw wrong(`is ${typeof stop === "string" ? JSON.stringify(stop) : stop}`, "stop: [text]");
  if (stop.includes("")) throw wrong("has an empty text, which stands everywhere", "leave it out");
  const bad = stop.find((s) => typeof s !== "string" && !(Number.isInteger(s) && s >= 0));
  if (bad !== undefined || stop.includes(undefined)) throw wrong(`has ${bad}`);
}
