/** @file The register tile of this build: its size, and its four forms under one name each. Dead branches vanish. */
import {
  columnsAdd4x8, columnsAdd6x8, columnsAdd6x16, columnsScaled4x8, columnsScaled6x8, columnsScaled6x16,
  rowsAdd4x8, rowsAdd6x8, rowsAdd6x16, rowsZero4x8, rowsZero6x8, rowsZero6x16,
} from "./tiles.generated";

/** Rows and columns of a tile. */
// @ts-ignore: decorator
@inline export const MR: i32 = RELAXED ? 6 : 4;
// @ts-ignore: decorator
@inline export const NR: i32 = WIDE ? 16 : 8;

// @ts-ignore: decorator
@inline export function rowsZero(a: usize, aRow: usize, last: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) rowsZero6x16(a, aRow, last, b, bStep, c, cRow, n);
  else if (RELAXED) rowsZero6x8(a, aRow, last, b, bStep, c, cRow, n);
  else rowsZero4x8(a, aRow, last, b, bStep, c, cRow, n);
}

// @ts-ignore: decorator
@inline export function rowsAdd(a: usize, aRow: usize, last: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) rowsAdd6x16(a, aRow, last, b, bStep, c, cRow, n);
  else if (RELAXED) rowsAdd6x8(a, aRow, last, b, bStep, c, cRow, n);
  else rowsAdd4x8(a, aRow, last, b, bStep, c, cRow, n);
}

// @ts-ignore: decorator
@inline export function columnsAdd(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) columnsAdd6x16(a, aStep, b, bStep, c, cRow, n);
  else if (RELAXED) columnsAdd6x8(a, aStep, b, bStep, c, cRow, n);
  else columnsAdd4x8(a, aStep, b, bStep, c, cRow, n);
}

// @ts-ignore: decorator
@inline export function columnsScaled(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, n: i32, scale: usize): void {
  if (WIDE) columnsScaled6x16(a, aStep, b, bStep, c, cRow, n, scale);
  else if (RELAXED) columnsScaled6x8(a, aStep, b, bStep, c, cRow, n, scale);
  else columnsScaled4x8(a, aStep, b, bStep, c, cRow, n, scale);
}

/** Bytes of a tile's row: one step of a packed panel. */
// @ts-ignore: decorator
@inline export const WIDTH: usize = WIDE ? 64 : 32;
