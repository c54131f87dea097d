/**
 * @file Feeds for a text, by the names that exports give their inputs.
 *
 * | input                                   | what it gets                                                  |
 * |-----------------------------------------|---------------------------------------------------------------|
 * | input_ids, attention_mask               | the text's ids; 1 for each                                    |
 * | token_type_ids                          | the tokenizer's segment numbers                               |
 * | position_ids, cache_position            | 0, 1, 2 …                                                     |
 * | decoder_input_ids, decoder_attention_mask | the decoder's ids (its start token, then the target)        |
 * | past_key_values.*, use_cache_branch     | an empty cache; false                                         |
 * | num_logits_to_keep, logits_to_keep      | 0, which means all                                            |
 *
 * An input with a fixed length is padded; pictures and sounds are refused by name.
 */
import { OptionError } from "../tensor/index.js";
import type { PortInfo } from "./run/told.js";
import type { Feed } from "./run/feed.js";

/** One text as a model reads it. */
export interface TextInput {
  ids: readonly number[];
  typeIds?: readonly number[] | undefined;
  /** The decoder's ids, for a model that has one beside its encoder. */
  decoderIds?: readonly number[] | undefined;
  /** For inputs with a fixed length. Default 0. */
  padId?: number | undefined;
  /** Results of another file of the same model, by input name: encoder_hidden_states. */
  extra?: Record<string, Feed> | undefined;
}

const other: readonly [RegExp, string][] = [
  [/^pixel_(values|mask)/, "a picture"],
  [/^input_(features|values)|^audio/, "a sound"],
  [/^bbox$|^image/, "a picture or a page"],
  [/^(inputs|query)_embeds$|^hidden_states$/, "vectors instead of ids"],
  [/^encoder_(hidden_states|outputs|last_hidden_state)/, "the output of the model's encoder, a file of its own"],
];

/**
 * Makes feeds.
 * @throws {OptionError} for an input that a text cannot fill, saying what it wants
 */
export function textFeeds(inputs: readonly PortInfo[], text: TextInput, model = "the model"): Record<string, Feed> {
  const length = fixedLength(inputs, "input_ids") ?? text.ids.length;
  if (length < text.ids.length) {
    throw new OptionError({
      where: "readTextWithOnnx",
      argument: "text",
      got: `has ${text.ids.length} tokens`,
      expected: `at most ${length}: ${model} was exported for that length`,
    });
  }
  return Object.fromEntries(
    inputs.map((input) => [input.name, text.extra?.[input.name] ?? feedFor(input, text, length, model)]),
  );
}

/**
 * Refuses a model that does not read texts at all, before a tokenizer is looked for.
 * @throws {OptionError} that says what it wants
 */
export function mustReadText(inputs: readonly PortInfo[], model: string): void {
  if (inputs.some(({ name }) => name === "input_ids" || /^encoder_/.test(name))) return;
  for (const { name } of inputs) if (other.some(([pattern]) => pattern.test(name))) refuseInput(name, model);
}

function refuseInput(name: string, model: string): never {
  const wants = other.find(([pattern]) => pattern.test(name))?.[1];
  throw new OptionError({
    where: "readTextWithOnnx",
    argument: model,
    got: `wants ${wants ?? `an input "${name}"`}${wants ? ` ("${name}")` : ""}, which a text cannot give`,
    fix: "feed it from code: (await openOnnx(file)).run(feeds)",
  });
}

function fixedLength(inputs: readonly PortInfo[], name: string): number | undefined {
  const last = inputs.find((v) => v.name === name)?.shape?.at(-1);
  return typeof last === "number" ? last : undefined;
}

function feedFor(input: PortInfo, text: TextInput, length: number, model: string): Feed {
  const { name, shape } = input;
  /** [1, n], or [n] for a graph without a batch axis. */
  const row = (numbers: readonly number[]): Feed => ({
    data: numbers,
    shape: shape?.length === 1 ? [numbers.length] : [1, numbers.length],
  });
  const filled = (numbers: readonly number[], fill: number): number[] => [
    ...numbers,
    ...new Array<number>(length - numbers.length).fill(fill),
  ];
  const decoder = text.decoderIds ?? text.ids;
  if (name === "input_ids") return row(filled(text.ids, text.padId ?? 0));
  if (name === "attention_mask" || name === "encoder_attention_mask")
    return row(
      filled(
        text.ids.map(() => 1),
        0,
      ),
    );
  if (name === "token_type_ids") return row(filled(text.typeIds ?? text.ids.map(() => 0), 0));
  if (name === "position_ids" || name === "cache_position") return row(Array.from({ length }, (_, i) => i));
  if (name === "decoder_input_ids") return row(decoder);
  if (name === "decoder_attention_mask") return row(decoder.map(() => 1));
  if (name === "use_cache_branch") return { data: [0], shape: (shape ?? [1]).map(() => 1) };
  if (/(num_)?logits_to_keep$/.test(name)) return { data: [0], shape: (shape ?? []).map(() => 1) };
  if (/^past_|^past$|_cache$/.test(name)) return emptyCache(input);
  refuseInput(name, model);
}

/** [batch, heads, 0, headDim]: the batch is 1, the axis of tokens is empty. */
function emptyCache({ shape }: PortInfo): Feed {
  const dims = (shape ?? []).map((d, i) => (typeof d === "number" ? d : i === 0 || /batch/i.test(String(d)) ? 1 : 0));
  return { data: new Float32Array(dims.reduce((n, d) => n * d, 1)), shape: dims };
}
