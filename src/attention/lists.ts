/** @file Small integer and byte arguments, however they come, as typed arrays, with errors that name the place. */
import { OptionError, ShapeError, show } from "../tensor/index.js";

type Like = { data: ArrayLike<number | bigint | boolean>; shape?: readonly number[]; dims?: readonly number[] };
const isLike = (x: unknown): x is Like => typeof x === "object" && x !== null && "data" in x;
const isList = (x: unknown): x is ArrayLike<unknown> =>
  typeof x === "object" && x !== null && typeof (x as { length?: unknown }).length === "number";

/** Numbers and their shape: of a tensor, of nested arrays, or of one list. */
export function flat(value: unknown, where: string, argument: string): { data: ArrayLike<unknown>; shape: number[] } {
  if (isLike(value)) return { data: value.data, shape: [...(value.shape ?? value.dims ?? [value.data.length])] };
  if (!isList(value)) {
    throw new OptionError({
      where,
      argument,
      got: `is ${value === null ? "null" : typeof value === "number" ? value : typeof value}`,
      expected: "an array or a tensor",
    });
  }
  if (!isList(value[0])) return { data: value, shape: [value.length] };
  const rows = Array.from(value as ArrayLike<ArrayLike<unknown>>);
  const width = rows[0].length;
  const odd = rows.findIndex((r) => r.length !== width);
  if (odd >= 0) {
    throw new ShapeError({
      where,
      argument: `${argument}[${odd}]`,
      got: `has ${rows[odd].length} numbers`,
      expected: `${width}, as in the first row`,
      fix: "pad the rows to one length",
    });
  }
  return { data: rows.flatMap((r) => Array.from(r)), shape: [rows.length, width] };
}

/** Whole numbers as an Int32Array; −1 and the like are for the caller to judge. */
export function integers(data: ArrayLike<unknown>, where: string, argument: string): Int32Array {
  const out = new Int32Array(data.length);
  for (let n = 0; n < out.length; n++) {
    const x = Number(data[n]);
    if (!Number.isInteger(x) || Math.abs(x) > 0x7fffffff) {
      throw new OptionError({ where, argument: `${argument}[${n}]`, got: `is ${data[n]}`, expected: "a whole number" });
    }
    out[n] = x;
  }
  return out;
}

/** One whole number per batch item; a single number serves all. */
export function perBatch(value: unknown, batch: number, where: string, argument: string): Int32Array {
  if (typeof value === "number" || typeof value === "bigint")
    return integers(Array(batch).fill(value), where, argument);
  const { data } = flat(value, where, argument);
  if (data.length !== batch) {
    throw new ShapeError({
      where,
      argument,
      got: `has ${data.length} numbers`,
      expected: `${batch}, one per batch item`,
    });
  }
  return integers(data, where, argument);
}

/** A table of B rows, or one row that serves all; the stride between rows is 0 then. */
export function table(
  value: unknown,
  batch: number,
  length: number | undefined,
  where: string,
  argument: string,
): { data: ArrayLike<unknown>; length: number; stride: number } {
  const { data, shape } = flat(value, where, argument);
  const width = shape.at(-1) ?? 0;
  const rows = shape.length === 1 ? 1 : shape[0];
  if (shape.length > 2 || (rows !== batch && rows !== 1) || (length !== undefined && width !== length)) {
    const axis = shape.length > 2 ? "axes" : rows !== batch && rows !== 1 ? "batch" : "length";
    throw new ShapeError({
      where,
      argument,
      got:
        axis === "axes"
          ? `has ${shape.length} axes in ${show(shape)}`
          : `has ${axis} ${axis === "batch" ? rows : width} in ${show(shape)}`,
      expected: `${show([batch, length ?? width])}, one row per batch item`,
    });
  }
  return { data, length: width, stride: rows === 1 ? 0 : width };
}

/** Bytes 0 and 1 from booleans, bytes or numbers; a number that is neither says that an additive mask came. */
export function bytes(data: ArrayLike<unknown>, where: string, argument: string): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof Int8Array) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const out = new Uint8Array(data.length);
  for (let n = 0; n < out.length; n++) {
    const x = Number(data[n]);
    if (x !== 0 && x !== 1) {
      throw new OptionError({
        where,
        argument,
        got: `holds ${data[n]} at ${n}`,
        expected: "only 0 and 1, where 1 = may attend",
        fix: "pass numbers that are added to the scores as bias",
      });
    }
    out[n] = x;
  }
  return out;
}
