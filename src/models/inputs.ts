/** @file A caller's token ids as a checked batch: rows of one length, ids inside the vocabulary, every table the same shape. */
import { OptionError, ShapeError, type TensorLike } from "../tensor/index.js";
import type { Batch, Tokens } from "./pass.js";

/** Whole numbers in rows [B][L]; one row alone is a batch of one. */
export type IdTable = readonly (readonly number[])[] | readonly number[] | TensorLike;

/**
 * What `forward` reads. Rows of unequal length are padded on the right and masked, so that a batch of encodings can be
 * given as it is; what comes out at padded places means nothing.
 */
export interface ModelInputs {
  inputIds: IdTable;
  /** 1 = a real token, 0 = padding, on either side. */
  attentionMask?: IdTable | undefined;
  /** Default: 0, 1, 2 …; decoders count real tokens, so padding on the left moves nothing. */
  positionIds?: IdTable | undefined;
  /** BERT: which of two texts a token is in. Default 0. */
  tokenTypeIds?: IdTable | undefined;
  /** What the decoder of an encoder–decoder reads. */
  decoderInputIds?: IdTable | undefined;
  decoderAttentionMask?: IdTable | undefined;
}

export interface InputLimits {
  vocabulary: number;
  /** Longest text, where positions are a table. */
  positions?: number | undefined;
  /** Fills rows that are shorter than the longest. */
  pad: number;
  types?: number | undefined;
  isEncoderDecoder: boolean;
}

/** @throws {OptionError | ShapeError} naming the input, row and place at fault */
export function readInputs(inputs: ModelInputs, limits: InputLimits, where = "forward"): Batch {
  if (inputs === null || typeof inputs !== "object" || inputs.inputIds === undefined) {
    throw new OptionError({
      where,
      argument: "inputs",
      got: inputs && typeof inputs === "object" ? "has no inputIds" : `is ${inputs === null ? "null" : typeof inputs}`,
      expected: "{ inputIds: number[][], … }",
      fix: "forward({ inputIds: [model.tokenizer.encode(text).ids] })",
    });
  }
  const tokens = readTokens(inputs, "", limits, where);
  if (!limits.isEncoderDecoder) return { tokens };
  if (inputs.decoderInputIds === undefined) {
    throw new OptionError({
      where,
      argument: "decoderInputIds",
      got: "is missing",
      expected: "what the decoder reads, this model being an encoder–decoder",
      fix: "begin with config.decoder_start_token_id: decoderInputIds: [[0]]; or generate(ids)",
    });
  }
  const decoder = readTokens(
    { inputIds: inputs.decoderInputIds, attentionMask: inputs.decoderAttentionMask },
    "decoder",
    limits,
    where,
  );
  if (decoder.batch !== tokens.batch) {
    throw new ShapeError({
      where,
      argument: "decoderInputIds",
      got: `has ${decoder.batch} rows`,
      expected: `${tokens.batch}, as in inputIds`,
    });
  }
  return { tokens, decoder };
}

const named = (prefix: string, name: string): string =>
  prefix ? prefix + name[0]!.toUpperCase() + name.slice(1) : name;

function readTokens(inputs: ModelInputs, prefix: string, limits: InputLimits, where: string): Tokens {
  const argument = named(prefix, "inputIds");
  const rows = rowsOf(inputs.inputIds, where, argument);
  const batch = rows.length;
  const length = Math.max(...rows.map((r) => r.length));
  if (length === 0) {
    throw new OptionError({
      where,
      argument,
      got: "has no tokens",
      expected: "at least one a row",
      fix: "an empty text gives no token where the tokenizer adds none; begin with the model's first token (bos)",
    });
  }
  checkIds(rows, limits.vocabulary, where, argument);
  if (limits.positions !== undefined && length > limits.positions) {
    throw new OptionError({
      where,
      argument,
      got: `has ${length} tokens`,
      expected: `at most ${limits.positions}, the positions this model knows`,
      fix: `cut the text: ids.slice(0, ${limits.positions})`,
    });
  }
  const table = (name: "attentionMask" | "positionIds" | "tokenTypeIds", fill: number): Int32Array | undefined => {
    const value = inputs[name];
    return value === undefined
      ? undefined
      : like(rows, rowsOf(value, where, named(prefix, name)), fill, where, named(prefix, name));
  };
  const ids = flat(rows, length, limits.pad);
  const given = table("attentionMask", 0);
  const unequal = rows.some((r) => r.length !== length);
  const mask =
    given ??
    (unequal
      ? flat(
          rows.map((r) => r.map(() => 1)),
          length,
          0,
        )
      : undefined);
  const bad = mask?.findIndex((m) => m !== 0 && m !== 1) ?? -1;
  if (bad >= 0) {
    throw new OptionError({
      where,
      argument: named(prefix, "attentionMask"),
      got: `has ${mask![bad]} at row ${Math.floor(bad / length)}, token ${bad % length}`,
      expected: "1 for a real token, 0 for padding",
    });
  }
  const positions = table("positionIds", 0);
  if (positions && limits.positions !== undefined) {
    checkRange(positions, length, limits.positions, where, named(prefix, "positionIds"));
  }
  const types = table("tokenTypeIds", 0);
  if (types && limits.types !== undefined) checkRange(types, length, limits.types, where, "tokenTypeIds");
  const padded = mask?.includes(0) ?? false;
  return { batch, length, ids, mask: padded ? Uint8Array.from(mask!) : undefined, positions, types };
}

function rowsOf(value: IdTable, where: string, argument: string): number[][] {
  const shaped = value as TensorLike;
  const shape = shaped?.shape ?? shaped?.dims;
  if (shape && shaped.data) {
    const [batch, length] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
    const data = Array.from(shaped.data as ArrayLike<number | bigint>, Number);
    return Array.from({ length: batch }, (_, b) => data.slice(b * length, (b + 1) * length));
  }
  if (Array.isArray(value) && value.length > 0) {
    if (value.every((r) => Array.isArray(r) || ArrayBuffer.isView(r))) {
      return (value as unknown as ArrayLike<number>[]).map((r) => Array.from(r, Number));
    }
    if (value.every((id) => typeof id === "number")) return [[...(value as number[])]];
  }
  if (ArrayBuffer.isView(value)) return [Array.from(value as unknown as ArrayLike<number | bigint>, Number)];
  throw new OptionError({
    where,
    argument,
    got: `is ${Array.isArray(value) ? (value.length ? "a list that mixes rows and numbers" : "an empty list") : typeof value}`,
    expected: "rows of token ids, number[][]",
    ...(typeof value === "string" && { fix: "encode the text first: model.tokenizer.encode(text).ids" }),
  });
}

function checkIds(rows: readonly number[][], vocabulary: number, where: string, argument: string): void {
  for (const [b, row] of rows.entries()) {
    const i = row.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary));
    if (i < 0) continue;
    throw new OptionError({
      where,
      argument,
      got: `has ${row[i]} at row ${b}, token ${i}`,
      expected: `whole numbers from 0 to ${vocabulary - 1}, the rows of the embedding`,
      fix: "use the tokenizer that belongs to this model",
    });
  }
}

function checkRange(values: Int32Array, length: number, count: number, where: string, argument: string): void {
  const i = values.findIndex((x) => x < 0 || x >= count);
  if (i < 0) return;
  throw new OptionError({
    where,
    argument,
    got: `has ${values[i]} at row ${Math.floor(i / length)}, token ${i % length}`,
    expected: `0 … ${count - 1}`,
  });
}

/** A table that must have the rows of the ids, padded as they are. */
function like(
  ids: readonly number[][],
  rows: readonly number[][],
  fill: number,
  where: string,
  argument: string,
): Int32Array {
  const length = Math.max(...ids.map((r) => r.length));
  if (rows.length === 1 && ids.length > 1) rows = ids.map(() => rows[0]!);
  const wrong = ids.findIndex((r, b) => rows[b]?.length !== r.length);
  if (rows.length !== ids.length || wrong >= 0) {
    const b = Math.max(wrong, 0);
    throw new ShapeError({
      where,
      argument,
      got: rows.length === ids.length ? `has ${rows[b]!.length} entries in row ${b}` : `has ${rows.length} rows`,
      expected: rows.length === ids.length ? `${ids[b]!.length}, as in inputIds` : `${ids.length}, as in inputIds`,
    });
  }
  return flat(rows, length, fill);
}

function flat(rows: readonly number[][], length: number, fill: number): Int32Array {
  const out = new Int32Array(rows.length * length).fill(fill);
  rows.forEach((row, b) => out.set(row, b * length));
  return out;
}
