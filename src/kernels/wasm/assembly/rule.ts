/**
 * @file Which pairs of a tile may attend. A tile is one of three: nothing may (skipped, its keys are never read), everything
 * may (no test), some may (tested pair by pair; a pair that may not holds −∞).
 */
import { b, call, h } from "./head";
import { Tile } from "./tile-of-scores";

/** What a tile holds. */
export const NONE: i32 = 0;
export const ALL: i32 = 1;
export const SOME: i32 = 2;

/** Bytes of a panel's notes: first, end, document and block offset per lane, then four numbers for the whole panel. */
export function panelNotesBytes(PQ: i32): usize {
  return <usize>(PQ * 16 + 32);
}

/**
 * Notes what the rule says of the panel's queries: first, end, document, block offset for each lane (lanes
 * past n repeat the last one) and, after them, lowest first, highest first, lowest end, highest end.
 */
export function notePanel(tile: Tile): void {
  const q0 = tile.q0, n = tile.n, PQ = tile.PQ, notes = tile.notes;
  const lanes = <usize>PQ << 2;
  const at = <usize>(b * call.ruleBatch + q0) << 2;
  let firstLow = call.keys, firstHigh = 0, endLow = call.keys, endHigh = 0;
  for (let x = 0; x < PQ; x++) {
    const i = min(x, n - 1);
    const first = max(0, load<i32>(call.first + at + (<usize>i << 2)));
    const end = min(call.keys, load<i32>(call.end + at + (<usize>i << 2)));
    const p = notes + (<usize>x << 2);
    store<i32>(p, first);
    store<i32>(p + lanes, end);
    if (call.documentOfQuery) {
      store<i32>(p + 2 * lanes, load<i32>(call.documentOfQuery + (<usize>(b * call.documentQueryBatch + q0 + i) << 2)));
    }
    if (call.blocks) store<i32>(p + 3 * lanes, ((q0 + i) / call.blockSize) * call.blockQuery);
    if (first < end) { // an empty row asks for nothing
      firstLow = min(firstLow, first);
      endHigh = max(endHigh, end);
    }
    firstHigh = max(firstHigh, first);
    endLow = min(endLow, end);
  }
  const all = notes + 4 * lanes;
  store<i32>(all, firstLow);
  store<i32>(all, firstHigh, 4);
  store<i32>(all, endLow, 8);
  store<i32>(all, endHigh, 12);
}

/** Of n bytes: bit 0 when one is not 0, bit 1 when one is 0. */
function scanBytes(at: usize, n: i32): i32 {
  let seen = 0;
  let i = 0;
  for (; i + 16 <= n && seen != 3; i += 16) {
    const x = v128.load(at + <usize>i);
    seen |= <i32>v128.any_true(x) | (i8x16.all_true(x) ? 0 : 2);
  }
  for (; i < n; i++) seen |= load<u8>(at + <usize>i) != 0 ? 1 : 2;
  return seen;
}

/** Turns what was seen (bit 0: may, bit 1: may not) into a tile's state. */
// @ts-ignore: decorator
@inline function stateOf(seen: i32): i32 {
  return seen == 1 ? ALL : seen == 2 ? NONE : SOME;
}

function maskState(tile: Tile): i32 {
  const n = tile.n, keys = tile.keys;
  if (call.maskKey != 1 && call.maskKey != 0) return SOME;
  let at = call.mask + b * call.maskBatch + h * call.maskHead + tile.q0 * call.maskQuery + tile.j0 * call.maskKey;
  let seen = 0;
  const rows = call.maskQuery == 0 ? 1 : n;
  for (let i = 0; i < rows && seen != 3; i++, at += call.maskQuery) seen |= scanBytes(at, call.maskKey == 0 ? 1 : keys);
  return stateOf(seen);
}

function documentState(tile: Tile): i32 {
  const notes = tile.notes, PQ = tile.PQ, keys = tile.keys;
  let low = i32.MAX_VALUE, high = i32.MIN_VALUE;
  for (let x = 0; x < PQ; x++) {
    const d = load<i32>(notes + (<usize>(2 * PQ + x) << 2));
    low = min(low, d);
    high = max(high, d);
  }
  const at = call.documentOfKey + (<usize>(b * call.documentKeyBatch + tile.j0) << 2);
  let inside = 0, equal = 0;
  for (let r = 0; r < keys; r++) {
    const d = load<i32>(at + (<usize>r << 2));
    if (d >= low && d <= high) inside++;
    if (d == low) equal++;
  }
  return inside == 0 ? NONE : low == high && equal == keys ? ALL : SOME;
}

function blockState(tile: Tile): i32 {
  const q0 = tile.q0, n = tile.n, j0 = tile.j0, keys = tile.keys;
  const size = call.blockSize;
  const at = call.blocks + b * call.blockBatch + h * call.blockHead;
  let seen = 0;
  for (let i = q0 / size; i <= (q0 + n - 1) / size; i++) {
    for (let j = j0 / size; j <= (j0 + keys - 1) / size; j++) {
      seen |= load<u8>(at + i * call.blockQuery + j * call.blockKey) != 0 ? 1 : 2;
    }
  }
  return stateOf(seen);
}

/** Whether nothing, everything or something of the tile may attend. */
export function tileState(tile: Tile): i32 {
  const PQ = tile.PQ, notes = tile.notes, j0 = tile.j0, keys = tile.keys;
  const all = notes + (<usize>PQ << 4);
  let state = j0 >= load<i32>(all, 4) && j0 + keys <= load<i32>(all, 8) ? ALL : SOME;
  if (call.keyMask) {
    const s = stateOf(scanBytes(call.keyMask + <usize>b * call.keyMaskBatch + <usize>j0, keys));
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.blocks) {
    const s = blockState(tile);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.documentOfKey) {
    const s = documentState(tile);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.mask) {
    const s = maskState(tile);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  return state;
}

/** First row of the tile that any of lanes [x, x + count) may see, as far as the intervals say. */
export function firstRow(tile: Tile, x: i32, count: i32): i32 {
  const notes = tile.notes;
  let low = i32.MAX_VALUE;
  for (let lane = x; lane < x + count; lane++) low = min(low, load<i32>(notes + (<usize>lane << 2)));
  return max(0, low - tile.j0);
}

/** One past the last such row; not past firstRow where the lanes see none of the tile. */
export function endRow(tile: Tile, x: i32, count: i32): i32 {
  const ends = tile.notes + (<usize>tile.PQ << 2);
  let high = 0;
  for (let lane = x; lane < x + count; lane++) high = max(high, load<i32>(ends + (<usize>lane << 2)));
  return min(tile.keys, high - tile.j0);
}

/** First lane of a query that may see any of rows [r, r + count), as far as the intervals say; n where none may. */
export function firstLane(tile: Tile, r: i32, count: i32): i32 {
  const notes = tile.notes, PQ = tile.PQ, n = tile.n, j = tile.j0 + r;
  let lane = 0;
  while (lane < n && !meets(notes, PQ, lane, j, count)) lane++;
  return lane;
}

/** One past the last such lane. */
export function endLane(tile: Tile, r: i32, count: i32): i32 {
  const notes = tile.notes, PQ = tile.PQ, j = tile.j0 + r;
  let lane = tile.n;
  while (lane > 0 && !meets(notes, PQ, lane - 1, j, count)) lane--;
  return lane;
}

// @ts-ignore: decorator
@inline function meets(notes: usize, PQ: i32, lane: i32, j: i32, count: i32): bool {
  return load<i32>(notes + (<usize>lane << 2)) < j + count && load<i32>(notes + (<usize>(PQ + lane) << 2)) > j;
}

/** Four bytes at a + lane offsets, as lanes that are all ones where the byte is not 0. */
// @ts-ignore: decorator
@inline function bytesToLanes(a: u8, c: u8, d: u8, e: u8): v128 {
  return i32x4.ne(i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(<i32>a), 1, <i32>c), 2, <i32>d), 3, <i32>e), i32x4.splat(0));
}

/** −∞ for keys [j, end) outside a query's interval; row j of the tile lies at `row`. */
function hideOutside(row: usize, notes: usize, lanes: usize, j: i32, end: i32): void {
  const low = f32x4.splat(-f32.MAX_VALUE - f32.MAX_VALUE);
  for (; j < end; j++, row += lanes) {
    const key = i32x4.splat(j);
    for (let x: usize = 0; x < lanes; x += 16) {
      const may = v128.and(i32x4.le_s(v128.load(notes + x), key), i32x4.lt_s(key, v128.load(notes + lanes + x)));
      v128.store(row + x, v128.bitselect(v128.load(row + x), low, may));
    }
  }
}

/** −∞ wherever a pair may not attend: pair by pair, every part of the rule; of intervals only the keys where they begin or end. */
export function hide(tile: Tile, S: usize): void {
  const n = tile.n, PQ = tile.PQ, notes = tile.notes, j0 = tile.j0, keys = tile.keys;
  if (!(call.keyMask || call.documentOfKey || call.blocks || call.mask)) {
    const lanes = <usize>PQ << 2, j1 = j0 + keys;
    const begun = min(j1, max(j0, load<i32>(notes + 4 * lanes, 4))); // from here on no interval is yet to begin
    const ending = max(begun, load<i32>(notes + 4 * lanes, 8)); // from here on one has ended
    hideOutside(S, notes, lanes, j0, begun);
    hideOutside(S + <usize>(ending - j0) * lanes, notes, lanes, ending, j1);
    return;
  }
  const low = f32x4.splat(-f32.MAX_VALUE - f32.MAX_VALUE);
  const lanes = <usize>PQ << 2;
  const maskAt = call.mask + b * call.maskBatch + h * call.maskHead + tile.q0 * call.maskQuery;
  const blockAt = call.blocks + b * call.blockBatch + h * call.blockHead;
  for (let r = 0; r < keys; r++) {
    const j = j0 + r;
    const row = S + (<usize>(r * PQ) << 2);
    const absent = call.keyMask != 0 && load<u8>(call.keyMask + <usize>b * call.keyMaskBatch + <usize>j) == 0;
    const document = call.documentOfKey ? load<i32>(call.documentOfKey + (<usize>(b * call.documentKeyBatch + j) << 2)) : 0;
    const mask = maskAt + j * call.maskKey;
    const block = call.blocks ? blockAt + (j / call.blockSize) * call.blockKey : 0;
    const key = i32x4.splat(j);
    for (let x = 0; x < PQ; x += 4) {
      const p = row + (<usize>x << 2);
      if (absent) {
        v128.store(p, low);
        continue;
      }
      const note = notes + (<usize>x << 2);
      let may = v128.and(i32x4.le_s(v128.load(note), key), i32x4.lt_s(key, v128.load(note + lanes)));
      if (call.documentOfKey) may = v128.and(may, i32x4.eq(v128.load(note + 2 * lanes), i32x4.splat(document)));
      if (call.blocks) {
        const o = note + 3 * lanes;
        may = v128.and(may, bytesToLanes(load<u8>(block + load<i32>(o)), load<u8>(block + load<i32>(o, 4)), load<u8>(block + load<i32>(o, 8)), load<u8>(block + load<i32>(o, 12))));
      }
      if (call.mask && x < n) {
        const s = call.maskQuery;
        may = v128.and(may, bytesToLanes(load<u8>(mask + x * s), load<u8>(mask + min(x + 1, n - 1) * s), load<u8>(mask + min(x + 2, n - 1) * s), load<u8>(mask + min(x + 3, n - 1) * s)));
      }
      v128.store(p, v128.bitselect(v128.load(p), low, may));
    }
  }
}
