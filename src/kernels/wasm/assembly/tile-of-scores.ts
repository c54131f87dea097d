/**
 * @file The tile of scores that a task is at: some keys × one panel of queries. A record in the task's scratch, which what
 * works on the tile takes as its first argument. It lies there transposed, [keys, PQ]: scores.ts.
 */
@unmanaged
export class Tile {
  q0: i32; // first query of the panel
  n: i32; // its queries
  PQ: i32; // its lanes, of which those past n hold anything
  notes: usize; // what the rule says of its queries: rule.ts
  j0: i32; // first key
  keys: i32;
  edge: usize; // notes, where register tiles that lie outside of the intervals are left out and hold anything; else 0
}

/** Bytes of the record. */
// @ts-ignore: decorator
@inline export const TILE_BYTES: usize = 64;
