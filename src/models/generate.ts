/**
 * @file Continuing a text: one token a step over a cache of keys and values.
 *
 *     prompt ──forward──▶ logits of the last token ──choose──▶ id ──forward (one row)──▶ logits ──▶ …
 *
 * A batch is padded on the left, so that every text's last token stands in the last column. The event loop
 * gets a turn between steps, so that a page can draw and a caller can stop between tokens.
 */
import { random } from "../tensor/random.js";
import { OptionError, type Tensor } from "../tensor/index.js";
import type { Trace } from "../trace/index.js";
import type { Edit } from "./edit.js";
import { Ending } from "./ending.js";
import { Generation } from "./generation.js";
import type { Model } from "./model.js";
import { breather } from "./pause.js";
import { chooser, type SamplingOptions } from "./sample.js";

export interface GenerateOptions extends SamplingOptions {
  /** Default 256, or as many as the context leaves. */
  maxNewTokens?: number | undefined;
  /**
   * Texts or ids that end a text, beside the model's own end token. An empty list switches that off too. A text is looked
   * for in what is generated, across tokens; special tokens count as they are written ("<|im_end|>"). The token that
   * completes it is the last one and is given whole, as in transformers: cut what `step.token`s add up to where it begins.
   */
  stop?: readonly (string | number)[] | undefined;
  /** Draws repeat for the same seed. Default 0. */
  seed?: number | undefined;
  /** Heard between tokens, and within a prompt every 256 of its tokens; what is thrown is its reason. */
  signal?: AbortSignal | undefined;
  /** Each step's trace has the rows of all tokens read so far; equal to that of the whole text read at once. */
  trace?: boolean | { values?: boolean } | undefined;
  edit?: readonly Edit[] | undefined;
  /** Default true. Without it every step reads the whole text again: slow, for comparison. */
  cache?: boolean | undefined;
}

/** One token of every text. */
export interface Step {
  /** What the token adds to the text: whole characters, "" while one is incomplete. Of the first text. */
  token: string;
  /** Its id. Of the first text. */
  id: number;
  /** One for each text; a text that has ended gets the pad id and "". */
  ids: readonly number[];
  tokens: readonly string[];
  /** What it was chosen from: [vocabulary]; of a batch [B, vocabulary]. */
  logits: Tensor;
  /** Of everything read so far, when asked for. */
  trace: Trace | undefined;
}

/** See `Model.generate`. */
export async function* generate(
  model: Model,
  given: readonly number[] | readonly (readonly number[])[],
  options: GenerateOptions,
): AsyncGenerator<Step> {
  const prompts = promptsOf(given);
  const steps = stepCount(model, prompts, options.maxNewTokens);
  const choose = chooser(options);
  const draw = random(options.seed ?? 0);
  const endings = prompts.map((ids) => new Ending(model, ids, options.stop));
  const generation = new Generation(model, prompts, options);
  const breathe = breather();
  const read = async (): Promise<NonNullable<ReturnType<Generation["step"]>>> => {
    for (;;) {
      options.signal?.throwIfAborted();
      const scores = generation.step();
      if (scores) return scores;
      await breathe();
    }
  };
  try {
    for (let n = 1; n <= steps; n++) {
      const { logits, trace } = await read();
      const vocabulary = logits.shape.at(-1)!;
      const row = (b: number): Float32Array => logits.data.subarray(b * vocabulary, (b + 1) * vocabulary);
      const ids = endings.map((e, b) => (e.done ? model.padId : choose(row(b), generation.seen(b), draw)));
      const tokens = endings.map((e, b) => (e.done ? "" : e.add(ids[b]!, n === steps)));
      generation.push(ids);
      const shaped = prompts.length === 1 ? logits.reshape([vocabulary]) : logits.reshape([prompts.length, vocabulary]);
      yield { token: tokens[0]!, id: ids[0]!, ids, tokens, logits: shaped, trace };
      if (endings.every((e) => e.done)) return;
      await breathe();
    }
  } finally {
    generation.free();
  }
}

function promptsOf(given: readonly number[] | readonly (readonly number[])[]): readonly (readonly number[])[] {
  const list = given as readonly (number | ArrayLike<number>)[];
  if (typeof given === "string") {
    throw new OptionError({
      where: "generate",
      argument: "ids",
      got: "is a string",
      expected: "token ids",
      fix: "generate(model.tokenizer.encode(text).ids)",
    });
  }
  const rows = typeof list[0] === "number" ? [list as number[]] : list.map((r) => Array.from(r as ArrayLike<number>));
  if (rows.length === 0 || rows.some((r) => r.length === 0)) {
    throw new OptionError({
      where: "generate",
      argument: "ids",
      got: "has no tokens",
      expected: "at least one a text",
      fix: "begin with the model's first token (bos)",
    });
  }
  return rows;
}

/** How many steps there may be. @throws {OptionError} for more than the context holds */
function stepCount(model: Model, prompts: readonly (readonly number[])[], asked: number | undefined): number {
  if (model.family === "encoder") {
    throw new OptionError({
      where: "generate",
      argument: "model",
      got: `is ${model.architecture}, an encoder: it has no next token`,
      expected: "a decoder or an encoder–decoder",
      fix: "forward() gives its logits, embed() its vectors",
    });
  }
  if (asked !== undefined && !(Number.isInteger(asked) && asked >= 0)) {
    const expected = "a whole number ≥ 0";
    throw new OptionError({ where: "generate", argument: "maxNewTokens", got: `is ${asked}`, expected });
  }
  const longest = Math.max(...prompts.map((p) => p.length));
  const context = model.family === "decoder" ? model.contextLength : undefined;
  const room = context === undefined ? Number.POSITIVE_INFINITY : context - longest;
  if (room < (asked ?? 1)) {
    throw new OptionError({
      where: "generate",
      argument: asked === undefined || room < 1 ? "ids" : "maxNewTokens",
      got: asked === undefined || room < 1 ? `has ${longest} tokens` : `is ${asked} after ${longest} tokens`,
      expected: `at most ${context} tokens in all, the context of this model`,
      fix: room < 1 ? `keep the last tokens: ids.slice(${-(context! - 1)})` : `maxNewTokens: ${room}`,
    });
  }
  return asked ?? Math.min(256, room);
}
