/**
 * @file The register tile of this build: its size, and its forms under one name each. Dead branches vanish. index.ts exports
 * forms that have a single caller, so that they stay functions: put into the caller, the engine spills their registers.
 */
import {
  columnsAdd5x8, columnsAdd6x8, columnsAdd6x16, columnsScaled5x8, columnsScaled6x8, columnsScaled6x16,
  packedZero5x8, packedZero6x8, packedZero6x16, rowsAdd5x8, rowsAdd6x8, rowsAdd6x16, rowsZero5x8, rowsZero6x8, rowsZero6x16,
} from "./tiles.generated";

/** Rows and columns of a tile. */
// @ts-ignore: decorator
@inline export const MR: i32 = RELAXED ? 6 : 5;
// @ts-ignore: decorator
@inline export const NR: i32 = WIDE ? 16 : 8;

export function rowsZero(a: usize, aRow: usize, last: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) rowsZero6x16(a, aRow, last, b, bStep, c, cRow, n);
  else if (RELAXED) rowsZero6x8(a, aRow, last, b, bStep, c, cRow, n);
  else rowsZero5x8(a, aRow, last, b, bStep, c, cRow, n);
}

// @ts-ignore: decorator
@inline export function packedZero(a: usize, b: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) packedZero6x16(a, b, c, cRow, n);
  else if (RELAXED) packedZero6x8(a, b, c, cRow, n);
  else packedZero5x8(a, b, c, cRow, n);
}

export function rowsAdd(a: usize, aRow: usize, last: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) rowsAdd6x16(a, aRow, last, b, bStep, c, cRow, n);
  else if (RELAXED) rowsAdd6x8(a, aRow, last, b, bStep, c, cRow, n);
  else rowsAdd5x8(a, aRow, last, b, bStep, c, cRow, n);
}

export function columnsAdd(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) columnsAdd6x16(a, aStep, b, bStep, c, cRow, n);
  else if (RELAXED) columnsAdd6x8(a, aStep, b, bStep, c, cRow, n);
  else columnsAdd5x8(a, aStep, b, bStep, c, cRow, n);
}

export function columnsScaled(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32, scale: usize): void {
  if (WIDE) columnsScaled6x16(a, aStep, b, bStep, c, cRow, n, scale);
  else if (RELAXED) columnsScaled6x8(a, aStep, b, bStep, c, cRow, n, scale);
  else columnsScaled5x8(a, aStep, b, bStep, c, cRow, n, scale);
}

/** Bytes of a tile's row: one step of a packed panel. */
// @ts-ignore: decorator
@inline export const WIDTH: usize = WIDE ? 64 : 32;

/** n rounded up to whole columns of a tile: lanes of a panel of n queries, numbers of an output row. */
// @ts-ignore: decorator
@inline export function wholeColumns(n: i32): i32 {
  return (n + NR - 1) / NR * NR;
}

/** n rounded up to whole rows of a tile. */
// @ts-ignore: decorator
@inline export function wholeRows(n: i32): i32 {
  return (n + MR - 1) / MR * MR;
}
