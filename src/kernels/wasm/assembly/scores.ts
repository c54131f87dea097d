/**
 * @file A tile of scores: KT keys × one panel of queries, transposed, in units of log2.
 *
 *            queries of the panel → PQ lanes        Sᵀ = K·Qᵀ and not S = Q·Kᵀ: keys are read row by row where they
 *          ┌───────┬───────┬───────┐                lie, only Q is packed (transposed, times scale·log2 e, once per
 *  keys    │ tile  │ tile  │  …    │  MR × NR       panel). Maximum and sum of the softmax run down the columns, one
 *   ↓  KT  ├───────┼───────┼───────┤                query a lane, without sums across lanes; and Pᵀ is already the
 *          │       │       │       │                column-wise operand of P·V.
 *          └───────┴───────┴───────┘
 * A pair that may not attend holds −∞. A tile is one of three: nothing may attend (skipped, its keys are never read),
 * everything may (no test), some may (tested pair by pair).
 *
 * State of the task at hand is in globals: every thread has its own instance, hence its own globals. Scratch memory is
 * the caller's (one piece a thread). Addresses and strides are bytes; loads may run up to 60 bytes past a row's end,
 * which the allocator leaves room for.
 */
import { AttentionArgs } from "./calls.generated";
import { madd, tanhLanes } from "./simd";
import { MR, NR, rowsZero, WIDTH } from "./tile";

export const LOG2E: f32 = 1.4426950408889634;

/** What a tile holds. */
export const NONE: i32 = 0;
export const ALL: i32 = 1;
export const SOME: i32 = 2;

let call: AttentionArgs = changetype<AttentionArgs>(0);
let b: i32 = 0;
let h: i32 = 0;
export let kBase: usize = 0; // row 0 of this head's keys
export let vBase: usize = 0;
export let unclean: bool = false; // NaN or ∞ among this head's keys or values: see `weigh` in attention-forward

/** Bytes of a panel's notes: first, end, document and block offset per lane, then four numbers for the whole panel. */
export function panelNotesBytes(PQ: i32): usize {
  return <usize>(PQ * 16 + 32);
}

export function enterHead(c: AttentionArgs, batch: i32, head: i32): void {
  call = c;
  b = batch;
  h = head;
  const kh = <i32>((<i64>head * c.keyHeads) / c.heads);
  kBase = c.k + <usize>batch * c.kBatch + <usize>kh * c.kHead;
  vBase = c.v + <usize>batch * c.vBatch + <usize>kh * c.vHead;
  unclean = c.unclean != 0 && load<u8>(c.unclean + <usize>(batch * c.keyHeads + kh)) != 0;
}

/** Factor on q: the logarithm's base goes in too, unless a softcap must see the natural score. */
export function queryFactor(c: AttentionArgs): f32 {
  return c.softcap != 0 ? c.scale : <f32>(<f64>c.scale * 1.4426950408889634);
}

/** Transposes rows [0, n) of `from` into columns of `to` [D, PQ], times factor; lanes n … PQ − 1 become 0. */
export function packPanel(from: usize, row: usize, n: i32, D: i32, PQ: i32, factor: f32, to: usize): void {
  const step = <usize>PQ << 2;
  const f = f32x4.splat(factor);
  for (let x = 0; x < PQ; x += 4) {
    let d = 0;
    const out = to + (<usize>x << 2);
    if (x + 4 <= n) {
      const r0 = from + <usize>x * row, r1 = r0 + row, r2 = r1 + row, r3 = r2 + row;
      for (; d + 4 <= D; d += 4) {
        const at = <usize>d << 2;
        const a = v128.load(r0 + at), e = v128.load(r1 + at), g = v128.load(r2 + at), i = v128.load(r3 + at);
        const t0 = v128.shuffle<i32>(a, e, 0, 4, 1, 5), t1 = v128.shuffle<i32>(g, i, 0, 4, 1, 5);
        const t2 = v128.shuffle<i32>(a, e, 2, 6, 3, 7), t3 = v128.shuffle<i32>(g, i, 2, 6, 3, 7);
        let p = out + <usize>d * step;
        v128.store(p, f32x4.mul(v128.shuffle<i64>(t0, t1, 0, 2), f));
        p += step;
        v128.store(p, f32x4.mul(v128.shuffle<i64>(t0, t1, 1, 3), f));
        p += step;
        v128.store(p, f32x4.mul(v128.shuffle<i64>(t2, t3, 0, 2), f));
        p += step;
        v128.store(p, f32x4.mul(v128.shuffle<i64>(t2, t3, 1, 3), f));
      }
    }
    for (; d < D; d++) {
      for (let lane = 0; lane < 4; lane++) {
        const value: f32 = x + lane < n ? load<f32>(from + <usize>(x + lane) * row + (<usize>d << 2)) * factor : 0;
        store<f32>(out + <usize>d * step + (<usize>lane << 2), value);
      }
    }
  }
}

/**
 * Notes what the rule says of the panel's queries [q0, q0 + n): first, end, document, block offset for each lane (lanes
 * past n repeat the last one) and, after them, lowest first, highest first, lowest end, highest end.
 */
export function notePanel(q0: i32, n: i32, PQ: i32, notes: usize): void {
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

function maskState(q0: i32, n: i32, j0: i32, keys: i32): i32 {
  if (call.maskKey != 1 && call.maskKey != 0) return SOME;
  let at = call.mask + b * call.maskBatch + h * call.maskHead + q0 * call.maskQuery + j0 * call.maskKey;
  let seen = 0;
  const rows = call.maskQuery == 0 ? 1 : n;
  for (let i = 0; i < rows && seen != 3; i++, at += call.maskQuery) seen |= scanBytes(at, call.maskKey == 0 ? 1 : keys);
  return stateOf(seen);
}

function documentState(notes: usize, PQ: i32, j0: i32, keys: i32): i32 {
  let low = i32.MAX_VALUE, high = i32.MIN_VALUE;
  for (let x = 0; x < PQ; x++) {
    const d = load<i32>(notes + (<usize>(2 * PQ + x) << 2));
    low = min(low, d);
    high = max(high, d);
  }
  const at = call.documentOfKey + (<usize>(b * call.documentKeyBatch + j0) << 2);
  let inside = 0, equal = 0;
  for (let r = 0; r < keys; r++) {
    const d = load<i32>(at + (<usize>r << 2));
    if (d >= low && d <= high) inside++;
    if (d == low) equal++;
  }
  return inside == 0 ? NONE : low == high && equal == keys ? ALL : SOME;
}

function blockState(q0: i32, n: i32, j0: i32, keys: i32): i32 {
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

/** Whether nothing, everything or something of keys [j0, j0 + keys) × queries [q0, q0 + n) may attend. */
export function tileState(notes: usize, q0: i32, n: i32, PQ: i32, j0: i32, keys: i32): i32 {
  const all = notes + (<usize>PQ << 4);
  let state = j0 >= load<i32>(all, 4) && j0 + keys <= load<i32>(all, 8) ? ALL : SOME;
  if (call.keyMask) {
    const s = stateOf(scanBytes(call.keyMask + <usize>b * call.keyMaskBatch + <usize>j0, keys));
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.blocks) {
    const s = blockState(q0, n, j0, keys);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.documentOfKey) {
    const s = documentState(notes, PQ, j0, keys);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  if (call.mask) {
    const s = maskState(q0, n, j0, keys);
    if (s == NONE) return NONE;
    if (s == SOME) state = SOME;
  }
  return state;
}

/** First row of a tile, of keys [j0, j0 + keys), that any of lanes [x, x + count) may see, as far as the intervals say. */
export function firstRow(notes: usize, x: i32, count: i32, j0: i32): i32 {
  let low = i32.MAX_VALUE;
  for (let lane = x; lane < x + count; lane++) low = min(low, load<i32>(notes + (<usize>lane << 2)));
  return max(0, low - j0);
}

/** One past the last such row; not past firstRow where the lanes see none of the tile. */
export function endRow(notes: usize, PQ: i32, x: i32, count: i32, j0: i32, keys: i32): i32 {
  let high = 0;
  for (let lane = x; lane < x + count; lane++) high = max(high, load<i32>(notes + (<usize>(PQ + lane) << 2)));
  return min(keys, high - j0);
}

/** Zeros in rows [from, to) of eight lanes. */
export function clearRows(at: usize, step: usize, from: i32, to: i32): void {
  const zero = f32x4.splat(0);
  at += <usize>from * step;
  for (let r = from; r < to; r++, at += step) {
    v128.store(at, zero);
    v128.store(at, zero, 16);
  }
}

/** First of lanes [0, n) that may see any of keys [j, j + count), as far as the intervals say; n where none may. */
export function firstLane(notes: usize, PQ: i32, n: i32, j: i32, count: i32): i32 {
  let lane = 0;
  while (lane < n && !meets(notes, PQ, lane, j, count)) lane++;
  return lane;
}

/** One past the last such lane. */
export function endLane(notes: usize, PQ: i32, n: i32, j: i32, count: i32): i32 {
  let lane = n;
  while (lane > 0 && !meets(notes, PQ, lane - 1, j, count)) lane--;
  return lane;
}

// @ts-ignore: decorator
@inline function meets(notes: usize, PQ: i32, lane: i32, j: i32, count: i32): bool {
  return load<i32>(notes + (<usize>lane << 2)) < j + count && load<i32>(notes + (<usize>(PQ + lane) << 2)) > j;
}

/** Sᵀ [keys, PQ] = K·Qᵀ for keys [j0, j0 + keys). `packed` is the panel [D, PQ]. Also dPᵀ = V·dOᵀ, from v and dO. */
export function products(rows: usize, rowBytes: usize, keys: i32, packed: usize, PQ: i32, depth: i32, out: usize): void {
  const step = <usize>PQ << 2;
  for (let r = 0; r < keys; r += MR) {
    const a = rows + <usize>r * rowBytes;
    const last = <usize>min(MR, keys - r) - 1;
    const c = out + <usize>r * step;
    for (let x: usize = 0; x < step; x += WIDTH) rowsZero(a, rowBytes, last, packed + x, step, c + x, step, depth);
  }
}

/** The same on the edge of the intervals: register tiles that lie outside whole are left out and hold anything. */
export function edgeProducts(rows: usize, rowBytes: usize, j0: i32, keys: i32, notes: usize, packed: usize, PQ: i32, depth: i32, out: usize): void {
  const step = <usize>PQ << 2;
  for (let x = 0; x < PQ; x += NR) {
    const end = endRow(notes, PQ, x, NR, j0, keys);
    const lane = <usize>x << 2;
    for (let r = firstRow(notes, x, NR, j0) / MR * MR; r < end; r += MR) {
      const last = <usize>min(MR, keys - r) - 1;
      rowsZero(rows + <usize>r * rowBytes, rowBytes, last, packed + lane, step, out + <usize>r * step + lane, step, depth);
    }
  }
}

/** Softcap, bias and distance on a tile. `steep` (0 or [keys, PQ]) takes 1 − tanh², the softcap's slope. */
export function adjust(S: usize, q0: i32, n: i32, PQ: i32, j0: i32, keys: i32, steep: usize): void {
  if (call.softcap != 0) cap(S, <usize>(keys * PQ) << 2, steep);
  if (call.bias) addBias(S, q0, n, PQ, j0, keys);
  if (call.slopes) addDistance(S, q0, PQ, j0, keys);
}

function cap(S: usize, bytes: usize, steep: usize): void {
  const inverse = f32x4.splat(1 / call.softcap);
  const back = f32x4.splat(<f32>(<f64>call.softcap * 1.4426950408889634));
  const one = f32x4.splat(1);
  for (let p: usize = 0; p < bytes; p += 16) {
    const t = tanhLanes(f32x4.mul(v128.load(S + p), inverse));
    v128.store(S + p, f32x4.mul(t, back));
    if (steep) v128.store(steep + p, f32x4.sub(one, f32x4.mul(t, t)));
  }
}

/** A bias of −∞ makes the pair masked, whatever the score was. */
// @ts-ignore: decorator
@inline function biased(at: usize, bias: v128): void {
  const low = f32x4.splat(-f32.MAX_VALUE - f32.MAX_VALUE);
  const sum = madd(bias, f32x4.splat(LOG2E), v128.load(at));
  v128.store(at, v128.bitselect(low, sum, f32x4.eq(bias, low)));
}

function addBias(S: usize, q0: i32, n: i32, PQ: i32, j0: i32, keys: i32): void {
  const step = <usize>PQ << 2;
  const base = call.bias + b * call.biasBatch + h * call.biasHead + q0 * call.biasQuery + j0 * call.biasKey;
  for (let x = 0; x < n; x += 4) {
    const r0 = base + x * call.biasQuery;
    const r1 = base + min(x + 1, n - 1) * call.biasQuery;
    const r2 = base + min(x + 2, n - 1) * call.biasQuery;
    const r3 = base + min(x + 3, n - 1) * call.biasQuery;
    let out = S + (<usize>x << 2);
    let j = 0;
    if (call.biasKey == 4) {
      for (; j + 4 <= keys; j += 4, out += 4 * step) {
        const at = <usize>j << 2;
        const a = v128.load(r0 + at), c = v128.load(r1 + at), d = v128.load(r2 + at), e = v128.load(r3 + at);
        const t0 = v128.shuffle<i32>(a, c, 0, 4, 1, 5), t1 = v128.shuffle<i32>(d, e, 0, 4, 1, 5);
        const t2 = v128.shuffle<i32>(a, c, 2, 6, 3, 7), t3 = v128.shuffle<i32>(d, e, 2, 6, 3, 7);
        biased(out, v128.shuffle<i64>(t0, t1, 0, 2));
        biased(out + step, v128.shuffle<i64>(t0, t1, 1, 3));
        biased(out + 2 * step, v128.shuffle<i64>(t2, t3, 0, 2));
        biased(out + 3 * step, v128.shuffle<i64>(t2, t3, 1, 3));
      }
    }
    for (; j < keys; j++, out += step) {
      const at = j * call.biasKey;
      let v = v128.load32_splat(r0 + at);
      v = v128.load32_lane(r1 + at, v, 1);
      v = v128.load32_lane(r2 + at, v, 2);
      biased(out, v128.load32_lane(r3 + at, v, 3));
    }
  }
}

/** ALiBi: −slope·|p − j|. Press et al. 2022 (arXiv:2108.12409). */
function addDistance(S: usize, q0: i32, PQ: i32, j0: i32, keys: i32): void {
  const slope = f32x4.splat(-load<f32>(call.slopes + (<usize>h << 2)) * LOG2E);
  for (let r = 0; r < keys; r++) {
    const row = S + (<usize>(r * PQ) << 2);
    const base = call.queryOffset + q0 - j0 - r;
    for (let x = 0; x < PQ; x += 4) {
      const distance = f32x4.abs(f32x4.convert_i32x4_s(i32x4.add(i32x4.splat(base + x), i32x4(0, 1, 2, 3))));
      const p = row + (<usize>x << 2);
      v128.store(p, madd(distance, slope, v128.load(p)));
    }
  }
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
export function hide(S: usize, notes: usize, q0: i32, n: i32, PQ: i32, j0: i32, keys: i32): void {
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
  const maskAt = call.mask + b * call.maskBatch + h * call.maskHead + q0 * call.maskQuery;
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

// Dropout ---------------------------------------------------------------------------------------------------------

/** MurmurHash3's finaliser: the twin of src/kernels/dropout.ts, on four lanes. */
// @ts-ignore: decorator
@inline function mixLanes(x: v128): v128 {
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x85ebca6b));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 13)), i32x4.splat(0xc2b2ae35));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

function mix(x: i32): i32 {
  return i32x4.extract_lane(mixLanes(i32x4.splat(x)), 0);
}

/** `out` = P with dropped weights 0 and kept ones times 1/(1 − rate). `out` may be P itself. */
export function drop(P: usize, q0: i32, PQ: i32, j0: i32, keys: i32, out: usize): void {
  const seed = i32x4.splat(mix(mix(mix(call.dropoutSeed) ^ b) ^ h));
  const threshold = i32x4.splat(call.dropoutThreshold);
  const stays = f32x4.splat(call.dropoutScale);
  for (let x = 0; x < PQ; x += 4) {
    const query = mixLanes(v128.xor(seed, i32x4.add(i32x4.splat(q0 + x), i32x4(0, 1, 2, 3))));
    for (let r = 0; r < keys; r++) {
      const p = <usize>(r * PQ + x) << 2;
      const hash = mixLanes(i32x4.add(query, i32x4.splat((j0 + r) * 0x9e3779b9)));
      v128.store(out + p, v128.and(f32x4.mul(v128.load(P + p), stays), i32x4.ge_u(hash, threshold)));
    }
  }
}
