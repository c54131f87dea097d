/**
 * @file Attention forward: online softmax over key tiles, O(N) memory.
 *
 *            keys → Lk                       one head · a task = a block of a few panels of PQ queries
 *           ┌────┬────┬────┬────┐
 *  panel 0  │ ██ │ ◣  │    │    │           ██ full: no test      ◣ edge: each pair tested
 *           ├────┼────┼────┼────┤           blank: skipped, its keys are never read
 *  panel 1  │ ██ │ ██ │ ◣  │    │           A tile of KT keys and values is packed once for all panels of the block;
 *           └────┴────┴────┴────┘           each panel's keys end where its own rows end.
 * A query keeps m (highest score so far), l = Σ 2^(s−m), o = Σ 2^(s−m)·v, s in units of log2. A tile brings
 *     m' = max(m, s)    α = 2^(m−m')    l' = α·l + Σ 2^(s−m')    o' = α·o + Σ 2^(s−m')·v       end: o/l, lse = m·ln 2 + ln l
 * Milakov & Gimelshein 2018 (arXiv:1805.02867) alg. 3; Dao et al. 2022 (arXiv:2205.14135) alg. 1. α is applied while the
 * tile loads its sums. m begins at the lowest finite number, so that −∞ − m is −∞ and never NaN; no key seen: l = 0.
 *
 * Scratch, one piece a thread: the tile's record · S [KT, PQ] · α [PQ] · keys and values of a tile · then per panel: Qᵀ [D, PQ], m [PQ], l [PQ], o [PQ, Dv up to NR], notes.
 * Tasks write disjoint rows of o and lse and share nothing, so the bits do not depend on how many threads work.
 */
import { AttentionArgs } from "./calls.generated";
import { drop } from "./dropout";
import { b, enterHead, h, kBase, unclean, vBase } from "./head";
import { packPanels, packTiles } from "./pack";
import { endRow, firstRow, hide, NONE, notePanel, panelNotesBytes, SOME, tileState } from "./rule";
import { adjust, clearRows, packPanel, products, queryFactor, tileRows } from "./scores";
import { exp2Constant, exp2Lanes, exp2One, madd, storePart } from "./simd";
import { columnsScaled, MR, NR, wholeColumns, wholeRows, WIDTH } from "./tile";
import { Tile, TILE_BYTES } from "./tile-of-scores";

/** Queries of a task from which on packing its keys and values pays. */
// @ts-ignore: decorator
@inline const PACKS: i32 = 48;

function panelBytes(c: AttentionArgs): usize {
  const PQ = c.panel;
  const numbers = PQ * (c.headDim + 2) + wholeRows(PQ) * wholeColumns(c.valueDim);
  return ((<usize>numbers << 2) + panelNotesBytes(PQ) + 63) & ~63;
}

export function attentionScratch(args: usize): usize {
  const c = changetype<AttentionArgs>(args);
  const tile = tileRows(c) * (c.panel + c.headDim) + c.keyTile * wholeColumns(c.valueDim) + c.panel + MR;
  return (<usize>tile << 2) + <usize>c.panels * panelBytes(c) + TILE_BYTES + 256;
}

/**
 * Softmax down the first n columns of S [keys, PQ]: S becomes P, m and l move on, `alpha` takes what o must be multiplied by.
 * On the edge of the intervals rows that eight lanes cannot see are not read and become 0.
 */
function softmaxColumns(tile: Tile, S: usize, m: usize, l: usize, alpha: usize): void {
  const keys = tile.keys, edge = tile.edge, lanes = <usize>tile.n << 2, step = <usize>tile.PQ << 2;
  const low = exp2Constant(0), magic = exp2Constant(1), c1 = exp2Constant(2), c2 = exp2Constant(3), c3 = exp2Constant(4);
  const c4 = exp2Constant(5), c5 = exp2Constant(6), one = exp2Constant(8);
  for (let x: usize = 0; x < lanes; x += 32) {
    let first = 0, end = keys;
    if (edge) {
      first = min(keys, firstRow(tile, <i32>(x >> 2), 8));
      end = max(first, endRow(tile, <i32>(x >> 2), 8));
      clearRows(S + x, step, 0, first);
      clearRows(S + x, step, end, keys);
    }
    const top = S + x + <usize>first * step, rows = end - first;
    const m0 = v128.load(m + x), m1 = v128.load(m + x, 16);
    let h0 = m0, h1 = m1;
    let p = top;
    for (let r = rows; r > 0; r--, p += step) {
      h0 = f32x4.pmax(h0, v128.load(p));
      h1 = f32x4.pmax(h1, v128.load(p, 16));
    }
    v128.store(m + x, h0);
    v128.store(m + x, h1, 16);
    const a0 = exp2Lanes(f32x4.sub(m0, h0), low, magic, c1, c2, c3, c4, c5, one);
    const a1 = exp2Lanes(f32x4.sub(m1, h1), low, magic, c1, c2, c3, c4, c5, one);
    v128.store(alpha + x, a0);
    v128.store(alpha + x, a1, 16);
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
    p = top;
    for (let r = rows; r > 0; r--, p += step) {
      const e0 = exp2Lanes(f32x4.sub(v128.load(p), h0), low, magic, c1, c2, c3, c4, c5, one);
      const e1 = exp2Lanes(f32x4.sub(v128.load(p, 16), h1), low, magic, c1, c2, c3, c4, c5, one);
      v128.store(p, e0);
      v128.store(p, e1, 16);
      s0 = f32x4.add(s0, e0);
      s1 = f32x4.add(s1, e1);
    }
    const l0 = v128.load(l + x), l1 = v128.load(l + x, 16); // both before a store: the 256-bit pass pairs them
    v128.store(l + x, f32x4.add(f32x4.mul(l0, a0), s0));
    v128.store(l + x, f32x4.add(f32x4.mul(l1, a1), s1), 16);
  }
}

/**
 * o [PQ, width] = α·o + P·V for one tile; `columns` = width in bytes. v: a row is vRow bytes after the one before, a column
 * vPanel bytes for each of its own. On the edge of the intervals keys that no row of a register tile sees add 0.
 */
function weigh(tile: Tile, P: usize, v: usize, vRow: usize, vPanel: usize, o: usize, columns: usize, alpha: usize): void {
  const n = tile.n, keys = tile.keys, edge = tile.edge, step = <usize>tile.PQ << 2;
  for (let i = 0; i < n; i += MR) {
    const at = <usize>i << 2;
    const row = o + <usize>i * columns;
    let first = 0, end = keys;
    if (edge) {
      const rows = min(MR, n - i);
      first = firstRow(tile, i, rows);
      end = endRow(tile, i, rows);
      if (first >= end) continue; // α is 1
    }
    const p = P + <usize>first * step + at, b = v + <usize>first * vRow;
    for (let d: usize = 0; d < columns; d += WIDTH) columnsScaled(p, step, b + d * vPanel, vRow, row + d, columns, end - first, alpha + at);
  }
}

/**
 * The same sums in the same order, leaving out weights of 0: 0·NaN is NaN, so a masked value that is not finite must not
 * be touched. Where everything is finite the bits are those of `weigh`.
 */
function weighVisible(tile: Tile, P: usize, v: usize, vRow: usize, o: usize, columns: usize, alpha: usize): void {
  const n = tile.n, keys = tile.keys, PQ = tile.PQ;
  for (let i = 0; i < n; i++) {
    const a = v128.load32_splat(alpha + (<usize>i << 2));
    const row = o + <usize>i * columns;
    for (let at: usize = 0; at < columns; at += 16) {
      let sum = f32x4.mul(v128.load(row + at), a);
      for (let r = 0; r < keys; r++) {
        const p = load<f32>(P + (<usize>(r * PQ + i) << 2));
        if (p != 0) sum = madd(f32x4.splat(p), v128.load(v + <usize>r * vRow + at), sum);
      }
      v128.store(row + at, sum);
    }
  }
}

/** Divides by l, adds the sink's share to l, writes rows [q0, q0 + n) of the result and their log-sum-exp. */
function finish(c: AttentionArgs, q0: i32, n: i32, m: usize, l: usize, o: usize): void {
  const columns = <usize>wholeColumns(c.valueDim) << 2;
  const Dv = c.valueDim;
  for (let i = 0; i < n; i++) {
    const lane = <usize>i << 2;
    let high = load<f32>(m + lane);
    let sum = load<f32>(l + lane);
    let factor: f32 = 1;
    let total: f64 = -Infinity;
    if (sum != 0) {
      if (c.sinks) {
        const sink = <f32>(<f64>load<f32>(c.sinks + (<usize>h << 2)) * 1.4426950408889634);
        const top = max(high, sink); // NaN stays
        factor = exp2One(high - top);
        sum = sum * factor + exp2One(sink - top);
        high = top;
      }
      total = <f64>high * 0.6931471805599453 + Math.log(<f64>sum);
    }
    store<f32>(c.lse + (<usize>((b * c.heads + h) * c.queries + q0 + i) << 2), <f32>total);
    const share = f32x4.splat(sum == 0 ? 0 : factor / sum);
    const to = c.o + <usize>b * c.oBatch + <usize>h * c.oHead + <usize>(q0 + i) * c.oRow;
    const from = o + <usize>i * columns;
    let d = 0;
    for (; d + 4 <= Dv; d += 4) v128.store(to + (<usize>d << 2), f32x4.mul(v128.load(from + (<usize>d << 2)), share));
    if (d < Dv) storePart(to + (<usize>d << 2), f32x4.mul(v128.load(from + (<usize>d << 2)), share), Dv - d);
  }
}

export function attentionForward(args: usize, task: i32, scratch: usize): void {
  const c = changetype<AttentionArgs>(args);
  const PQ = c.panel, D = c.headDim, Dv = c.valueDim, KT = c.keyTile;
  const lanes = <usize>PQ << 2;
  const columns = <usize>wholeColumns(Dv) << 2;
  const head = task % (c.tasks / c.blockCount);
  const block = c.blockCount - 1 - task / (c.tasks / c.blockCount); // causal: the last blocks are the longest, so first
  const q0 = block * PQ * c.panels;
  const record = (scratch + 63) & ~63, tile = changetype<Tile>(record), S = record + TILE_BYTES;
  const alpha = S + <usize>tileRows(c) * lanes;
  const tiles = (alpha + lanes + (MR << 2) + 63) & ~63; // the tile's keys and values, packed
  const values = (tiles + (<usize>(tileRows(c) * D) << 2) + 63) & ~63;
  const panels = (values + <usize>KT * columns + 63) & ~63;
  const size = panelBytes(c);
  const count = min(c.panels, (c.queries - q0 + PQ - 1) / PQ);
  const factor = queryFactor(c);
  const packs = min(count * PQ, c.queries - q0) >= PACKS;
  const kRow = packs ? <usize>D << 2 : c.kRow, vRow = packs ? WIDTH : c.vRow;
  enterHead(c, head / c.heads, head % c.heads);
  tile.PQ = PQ;
  let from = i32.MAX_VALUE, to = 0;
  for (let p = 0; p < count; p++) {
    const Q = panels + <usize>p * size;
    const m = Q + <usize>D * lanes, l = m + lanes, o = l + lanes, notes = o + <usize>wholeRows(PQ) * columns;
    const i = q0 + p * PQ, n = min(PQ, c.queries - i);
    packPanel(c.q + <usize>b * c.qBatch + <usize>h * c.qHead + <usize>i * c.qRow, c.qRow, n, D, PQ, factor, Q);
    for (let x: usize = 0; x < lanes; x += 16) v128.store(m + x, f32x4.splat(-f32.MAX_VALUE));
    memory.fill(l, 0, lanes + <usize>wholeRows(n) * columns);
    tile.q0 = i;
    tile.n = n;
    tile.notes = notes;
    notePanel(tile);
    from = min(from, load<i32>(notes + 4 * lanes));
    to = max(to, load<i32>(notes + 4 * lanes, 12));
  }
  from = from / KT * KT; // tile borders do not depend on how panels are grouped: same bits for any cut
  for (let j = from; j < to; j += KT) {
    const whole = min(KT, to - j);
    let packed = false;
    for (let p = 0; p < count; p++) {
      const Q = panels + <usize>p * size;
      const m = Q + <usize>D * lanes, l = m + lanes, o = l + lanes, notes = o + <usize>wholeRows(PQ) * columns;
      const i = q0 + p * PQ, n = min(PQ, c.queries - i);
      const j0 = j + max(0, load<i32>(notes + 4 * lanes) - j) / MR * MR;
      const keys = min(j + KT, load<i32>(notes + 4 * lanes, 12)) - j0;
      if (keys <= 0) continue;
      tile.q0 = i;
      tile.n = n;
      tile.notes = notes;
      tile.j0 = j0;
      tile.keys = keys;
      const state = tileState(tile);
      if (state == NONE) continue;
      if (packs && !packed) {
        packTiles(kBase + <usize>j * c.kRow, c.kRow, whole, D, tiles);
        packPanels(vBase + <usize>j * c.vRow, c.vRow, 4, whole, Dv, 0, wholeColumns(Dv) / NR, values);
        packed = true;
      }
      const k = packs ? tiles + <usize>(j0 - j) * kRow : kBase + <usize>j0 * kRow;
      tile.edge = state == SOME ? notes : 0;
      products(tile, packs, k, kRow, Q, D, S);
      adjust(tile, S, 0);
      if (state == SOME) hide(tile, S);
      softmaxColumns(tile, S, m, l, alpha);
      if (c.dropout) drop(tile, S, S);
      if (unclean && (state == SOME || c.dropout != 0 || c.bias != 0)) weighVisible(tile, S, vBase + <usize>j0 * c.vRow, c.vRow, o, columns, alpha);
      else weigh(tile, S, packs ? values + <usize>(j0 - j) * WIDTH : vBase + <usize>j0 * vRow, vRow, packs ? whole : 1, o, columns, alpha);
    }
  }
  for (let p = 0; p < count; p++) {
    const m = panels + <usize>p * size + <usize>D * lanes;
    const i = q0 + p * PQ;
    finish(c, i, min(PQ, c.queries - i), m, m + lanes, m + 2 * lanes);
  }
}

/** Notes in bytes [B, Hk] at `out` whether k or v of a head holds NaN or ∞: x·0 is 0 only for finite x. */
export function findUnclean(args: usize, batch: i32, out: usize): i32 {
  const c = changetype<AttentionArgs>(args);
  let any = 0;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < c.keyHeads; h++) {
      const k = c.k + <usize>b * c.kBatch + <usize>h * c.kHead, v = c.v + <usize>b * c.vBatch + <usize>h * c.vHead;
      const bad = rowsUnclean(v, c.vRow, c.keys, c.valueDim) || rowsUnclean(k, c.kRow, c.keys, c.headDim);
      store<u8>(out + <usize>(b * c.keyHeads + h), <u8>bad);
      any |= <i32>bad;
    }
  }
  return any;
}

/** Whether NaN or ∞ is among n numbers of each of so many rows. */
export function rowsUnclean(at: usize, row: usize, rows: i32, n: i32): bool {
  if (row == <usize>n << 2) { // rows without a gap are one row
    n *= rows;
    rows = 1;
  }
  const zero = f32x4.splat(0);
  let s = zero, t = zero, u = zero, v = zero;
  let rest: f32 = 0;
  for (let r = 0; r < rows; r++, at += row) {
    let d = 0;
    for (let p = at; d + 16 <= n; d += 16, p += 64) {
      s = madd(v128.load(p), zero, s);
      t = madd(v128.load(p, 16), zero, t);
      u = madd(v128.load(p, 32), zero, u);
      v = madd(v128.load(p, 48), zero, v);
    }
    for (; d < n; d++) rest += load<f32>(at + (<usize>d << 2)) * 0;
  }
  s = f32x4.add(f32x4.add(s, t), f32x4.add(u, v));
  return v128.any_true(f32x4.ne(s, zero)) || rest != 0;
}
