/**
 * @file Attention backward, by recomputation: no Lq × Lk array. Dao et al. 2022 (arXiv:2205.14135) alg. 4.
 *
 *     P = 2^(S − lse)    dP = dO·Vᵀ    Δ = rowsum(dO ∘ O)    dS = P ∘ (dP − Δ)
 *     dV = Pᵀ·dO         dK = scale·dSᵀ·Q                    dQ = scale·dS·K
 *
 *            queries → panels of PQ          A task is one key head: it walks key tiles, and for each the panels that see
 *          ┌────┬────┬────┬────┐             it. Sᵀ and dPᵀ of a tile are computed as in the forward pass (from q and dO
 *  keys    │ ◥  │ ██ │ ██ │ ██ │  dK, dV     packed once a head). dK and dV of the key tile stay in the cache over the row
 *   ↓ KT   ├────┼────┼────┼────┤  ← sums     of panels; dQ of the whole head is summed in scratch. Query heads that share
 *          │    │ ◥  │ ██ │ ██ │             a key head follow each other in the same task, so nothing needs an atomic
 *          └────┴────┴────┴────┘             and the order of every sum is fixed.
 *            ↓ dQ sums
 * With dropout, X = P after dropout takes the place of P in dV, and dS = X ∘ dP − P ∘ Δ. With a softcap, dS is multiplied
 * by 1 − tanh² on its way to q and k. Work: five products of 2·Lq·Lk·D, 2.5 times the forward pass.
 * Keys and values of a tile are packed for all panels: both as A of Sᵀ and dPᵀ, the keys as B of dQ too. Scratch, a thread:
 * (2·D + Dv)·4 bytes a query, (3·D + 2·Dv)·4 where rows of q and dO have gaps, and a few tiles.
 */
import { AttentionArgs } from "./calls.generated";
import { rowsUnclean } from "./attention-forward";
import { drop } from "./dropout";
import { b, enterHead, h, kBase, vBase } from "./head";
import { packPanels, packTiles } from "./pack";
import { endLane, endRow, firstLane, firstRow, hide, NONE, notePanel, panelNotesBytes, SOME, tileState } from "./rule";
import { adjust, LOG2E, packPanel, products, queryFactor, tileRows } from "./scores";
import { madd } from "./simd";
import { addBiasSlope, droppedSlopes, multiply, slopes, weights } from "./slopes";
import { columnsAdd, MR, NR, rowsAdd, wholeColumns, wholeRows, WIDTH } from "./tile";
import { Tile, TILE_BYTES } from "./tile-of-scores";

// @ts-ignore: decorator
@inline function panelCount(c: AttentionArgs): i32 {
  return (c.queries + c.panel - 1) / c.panel;
}

/**
 * Whether rows of n numbers are packed as B: those that have a gap between them, as in [B, L, H, D], where many share the
 * few places of the first cache that their addresses point to. Rows without a gap are read where they lie.
 */
// @ts-ignore: decorator
@inline function packsRows(row: usize, n: i32): bool {
  return row != <usize>n << 2;
}

/** Of one panel: Qᵀ [D, PQ], dOᵀ [Dv, PQ], lse, Δ, share [PQ] each, dQ [PQ, D up to NR], then q and dO as B if packed, notes. */
function panelBytes(c: AttentionArgs): usize {
  const PQ = c.panel;
  const rows = (packsRows(c.qRow, c.headDim) ? wholeColumns(c.headDim) : 0) + (packsRows(c.oRow, c.valueDim) ? wholeColumns(c.valueDim) : 0);
  const numbers = PQ * (c.headDim + c.valueDim + 3 + rows) + wholeRows(PQ) * wholeColumns(c.headDim);
  return ((<usize>numbers << 2) + panelNotesBytes(PQ) + 63) & ~63;
}

export function backwardScratch(args: usize): usize {
  const c = changetype<AttentionArgs>(args);
  const tile = <usize>(tileRows(c) * c.panel) << 2;
  const sums = <usize>(tileRows(c) * (wholeColumns(c.headDim) + wholeColumns(c.valueDim))) << 2;
  const packed = <usize>(tileRows(c) * (c.headDim + c.valueDim) + c.keyTile * wholeColumns(c.headDim)) << 2;
  return 256 + TILE_BYTES + 4 * tile + sums + packed + <usize>panelCount(c) * panelBytes(c);
}

/**
 * sums [keys, columns] += Xᵀ·rows: dV from dO, dK from q. A row is `row` bytes after the one before, a column `panel` bytes
 * for each of its own. On the edge of the intervals without the queries that no row of a register tile is seen by.
 */
function addTransposed(tile: Tile, X: usize, rows: usize, row: usize, panel: usize, sums: usize, columns: usize): void {
  const n = tile.n, keys = tile.keys, edge = tile.edge, step = <usize>tile.PQ << 2;
  for (let r = 0; r < keys; r += MR) {
    let first = 0, end = n;
    if (edge) {
      first = firstLane(tile, r, MR);
      end = endLane(tile, r, MR);
      if (first >= end) continue;
    }
    const a = X + <usize>r * step + (<usize>first << 2), b = rows + <usize>first * row;
    const c = sums + <usize>r * columns;
    for (let d: usize = 0; d < columns; d += WIDTH) rowsAdd(a, step, MR - 1, b + d * panel, row, c + d, columns, end - first);
  }
}

/** dQ [n, columns] += dS·K, in the same way, with K in panels of `whole` rows. */
function addQueries(tile: Tile, T: usize, k: usize, whole: i32, dQ: usize, columns: usize): void {
  const n = tile.n, keys = tile.keys, edge = tile.edge, step = <usize>tile.PQ << 2;
  for (let i = 0; i < n; i += MR) {
    let first = 0, end = keys;
    if (edge) {
      const rows = min(MR, n - i);
      first = firstRow(tile, i, rows);
      end = endRow(tile, i, rows);
      if (first >= end) continue;
    }
    const a = T + <usize>first * step + (<usize>i << 2), b = k + <usize>first * WIDTH;
    const c = dQ + <usize>i * columns;
    for (let d: usize = 0; d < columns; d += WIDTH) columnsAdd(a, step, b + d * whole, WIDTH, c + d, columns, end - first);
  }
}

/** The three products pair by pair, leaving out pairs of weight 0: see `weighVisible` in attention-forward. */
function addVisible(tile: Tile, P: usize, X: usize, T: usize, c: AttentionArgs, q: usize, dO: usize, k: usize, dV: usize, dK: usize, dQ: usize): void {
  const n = tile.n, keys = tile.keys, PQ = tile.PQ;
  const columnsV = <usize>wholeColumns(c.valueDim) << 2, columnsD = <usize>wholeColumns(c.headDim) << 2;
  for (let r = 0; r < keys; r++) {
    for (let i = 0; i < n; i++) {
      const at = <usize>(r * PQ + i) << 2;
      if (load<f32>(P + at) == 0) continue;
      const x = v128.load32_splat(X + at), s = v128.load32_splat(T + at);
      const rowO = dO + <usize>i * c.oRow, rowQ = q + <usize>i * c.qRow, rowK = k + <usize>r * c.kRow;
      const toV = dV + <usize>r * columnsV, toK = dK + <usize>r * columnsD, toQ = dQ + <usize>i * columnsD;
      if (load<f32>(X + at) != 0) {
        for (let e: usize = 0; e < columnsV; e += 16) v128.store(toV + e, madd(x, v128.load(rowO + e), v128.load(toV + e)));
      }
      for (let e: usize = 0; e < columnsD; e += 16) {
        v128.store(toK + e, madd(s, v128.load(rowQ + e), v128.load(toK + e)));
        v128.store(toQ + e, madd(s, v128.load(rowK + e), v128.load(toQ + e)));
      }
    }
  }
}

/** to[row r] = factor·from[row r], plus what stands there if `adds`, for n numbers a row. */
function giveRows(adds: bool, from: usize, fromRow: usize, to: usize, toRow: usize, rows: i32, n: i32, factor: f32): void {
  const f = f32x4.splat(factor), zero = f32x4.splat(0);
  for (let r = 0; r < rows; r++, from += fromRow, to += toRow) {
    let d = 0;
    for (; d + 4 <= n; d += 4) {
      const at = <usize>d << 2;
      v128.store(to + at, madd(v128.load(from + at), f, adds ? v128.load(to + at) : zero));
    }
    for (; d < n; d++) {
      const at = <usize>d << 2;
      store<f32>(to + at, (adds ? load<f32>(to + at) : 0) + load<f32>(from + at) * factor);
    }
  }
}

/** a·b in float64: two numbers a vector, four sums. */
function dot(a: usize, b: usize, n: i32): f32 {
  let s = f64x2.splat(0), t = s;
  let d = 0;
  for (; d + 4 <= n; d += 4, a += 16, b += 16) {
    const x = v128.load(a), y = v128.load(b);
    s = f64x2.add(s, f64x2.mul(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y)));
    const upperX = v128.shuffle<i64>(x, x, 1, 1), upperY = v128.shuffle<i64>(y, y, 1, 1);
    t = f64x2.add(t, f64x2.mul(f64x2.promote_low_f32x4(upperX), f64x2.promote_low_f32x4(upperY)));
  }
  s = f64x2.add(s, t);
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; d < n; d++, a += 4, b += 4) sum += <f64>load<f32>(a) * <f64>load<f32>(b);
  return <f32>sum;
}

/**
 * share = 1/Σ P of each query, so that weights sum to 1 although lse came rounded to float32: at scores of several hundred
 * that rounding is 3e-5 of every weight. Costs a sixth of the pass, so it is done only where a row's |lse| is past 64.
 */
function correctShares(tile: Tile, c: AttentionArgs, S: usize, Q: usize, lse: usize, share: usize): void {
  const n = tile.n, notes = tile.notes, PQ = c.panel, D = c.headDim, KT = c.keyTile;
  const lanes = <usize>PQ << 2, one = f32x4.splat(1);
  let large = false;
  for (let x = 0; x < n; x++) {
    const size = abs(load<f32>(lse + (<usize>x << 2)));
    if (size > 92 && size < 1e30) large = true; // 64·log2 e; 1e30 marks an empty row
  }
  for (let x: usize = 0; x < lanes; x += 16) v128.store(share + x, one);
  if (!large || c.sinks != 0) return; // a sink's share is not among the keys
  const ones = S + <usize>tileRows(c) * lanes; // T is free yet: a row of sums, a row of ones
  memory.fill(ones, 0, lanes);
  for (let x: usize = 0; x < lanes; x += 16) v128.store(ones + lanes + x, one);
  const to = load<i32>(notes + 4 * lanes, 12);
  for (let j = load<i32>(notes + 4 * lanes); j < to; j += KT) {
    const keys = min(KT, to - j);
    tile.j0 = j;
    tile.keys = keys;
    tile.edge = 0;
    const state = tileState(tile);
    if (state == NONE) continue;
    products(tile, false, kBase + <usize>j * c.kRow, c.kRow, Q, D, S);
    adjust(tile, S, 0);
    if (state == SOME) hide(tile, S);
    weights(tile, S, lse, ones + lanes);
    for (let r = 0; r < keys; r++) {
      for (let x: usize = 0; x < lanes; x += 16) v128.store(ones + x, f32x4.add(v128.load(ones + x), v128.load(S + <usize>r * lanes + x)));
    }
  }
  for (let x: usize = 0; x < lanes; x += 4) {
    const sum = load<f32>(ones + x);
    if (sum > 0) store<f32>(share + x, 1 / sum);
  }
}

/** One query head against its key head: writes dq, and dk and dv or, if `adds`, adds to them. */
function oneHead(c: AttentionArgs, batch: i32, head: i32, adds: bool, scratch: usize): void {
  enterHead(c, batch, head);
  const PQ = c.panel, D = c.headDim, Dv = c.valueDim, KT = c.keyTile, Lk = c.keys;
  const lanes = <usize>PQ << 2, columnsD = <usize>wholeColumns(D) << 2, columnsV = <usize>wholeColumns(Dv) << 2;
  const record = (scratch + 63) & ~63, tile = changetype<Tile>(record);
  const size = <usize>tileRows(c) * lanes; // of a tile
  const S = record + TILE_BYTES, T = S + size, X = c.dropout ? T + size : S, steep = T + 2 * size;
  const dK = S + 4 * size, dV = dK + <usize>tileRows(c) * columnsD;
  const tilesK = dV + <usize>tileRows(c) * columnsV, tilesV = tilesK + (<usize>(tileRows(c) * D) << 2); // the tile's keys and values as A
  const panelsK = (tilesV + (<usize>(tileRows(c) * Dv) << 2) + 63) & ~63; // and its keys as B
  const panels = (panelsK + <usize>KT * columnsD + 63) & ~63;
  const onePanel = panelBytes(c), count = panelCount(c);
  const q = c.q + <usize>b * c.qBatch + <usize>h * c.qHead;
  const packsQ = packsRows(c.qRow, D), packsO = packsRows(c.oRow, Dv);
  const outputHead = <usize>b * c.oBatch + <usize>h * c.oHead;
  const dO = c.o + outputHead;
  const rowOfLse = <usize>((b * c.heads + h) * c.queries) << 2;
  tile.PQ = PQ;
  const unclean = rowsUnclean(q, c.qRow, c.queries, D) || rowsUnclean(dO, c.oRow, c.queries, Dv) || rowsUnclean(kBase, c.kRow, Lk, D) || rowsUnclean(vBase, c.vRow, Lk, Dv);
  for (let p = 0; p < count; p++) {
    const Q = panels + <usize>p * onePanel;
    const G = Q + <usize>D * lanes, lse = G + <usize>Dv * lanes, delta = lse + lanes, share = delta + lanes, dQ = share + lanes;
    const rowsQ = dQ + <usize>wholeRows(PQ) * columnsD, rowsO = rowsQ + (packsQ ? <usize>PQ * columnsD : 0), notes = rowsO + (packsO ? <usize>PQ * columnsV : 0);
    const i0 = p * PQ, n = min(PQ, c.queries - i0);
    packPanel(q + <usize>i0 * c.qRow, c.qRow, n, D, PQ, queryFactor(c), Q);
    packPanel(dO + <usize>i0 * c.oRow, c.oRow, n, Dv, PQ, 1, G);
    if (packsQ) packPanels(q + <usize>i0 * c.qRow, c.qRow, 4, n, D, 0, wholeColumns(D) / NR, rowsQ);
    if (packsO) packPanels(dO + <usize>i0 * c.oRow, c.oRow, 4, n, Dv, 0, wholeColumns(Dv) / NR, rowsO);
    memory.fill(dQ, 0, <usize>wholeRows(n) * columnsD);
    for (let x = 0; x < PQ; x++) {
      const at = <usize>x << 2;
      const l: f32 = x < n ? load<f32>(c.lse + rowOfLse + (<usize>i0 << 2) + at) : -Infinity;
      store<f32>(lse + at, l == -Infinity ? 1e30 : l * LOG2E); // an empty row, or none: every weight becomes 0
      const row = <usize>(i0 + x) * c.oRow;
      const sum: f32 = x < n ? dot(dO + row, c.output + outputHead + row, Dv) : 0;
      store<f32>(delta + at, sum);
      if (c.delta && x < n) store<f32>(c.delta + rowOfLse + (<usize>i0 << 2) + at, sum);
    }
    tile.q0 = i0;
    tile.n = n;
    tile.notes = notes;
    notePanel(tile);
    correctShares(tile, c, S, Q, lse, share);
  }
  for (let j = 0; j < Lk; j += KT) {
    const whole = min(KT, Lk - j);
    memory.fill(dK, 0, <usize>tileRows(c) * (columnsD + columnsV));
    let touched = false; // by any panel; then the tile is packed
    for (let p = 0; p < count; p++) {
      const Q = panels + <usize>p * onePanel;
      const G = Q + <usize>D * lanes, lse = G + <usize>Dv * lanes, delta = lse + lanes, share = delta + lanes, dQ = share + lanes;
      const rowsQ = dQ + <usize>wholeRows(PQ) * columnsD, rowsO = rowsQ + (packsQ ? <usize>PQ * columnsD : 0), notes = rowsO + (packsO ? <usize>PQ * columnsV : 0);
      const i0 = p * PQ, n = min(PQ, c.queries - i0);
      const j0 = j + max(0, load<i32>(notes + 4 * lanes) - j) / MR * MR;
      const keys = min(j + whole, load<i32>(notes + 4 * lanes, 12)) - j0;
      if (keys <= 0) continue;
      tile.q0 = i0;
      tile.n = n;
      tile.notes = notes;
      tile.j0 = j0;
      tile.keys = keys;
      const state = tileState(tile);
      if (state == NONE) continue;
      if (!touched) {
        packTiles(kBase + <usize>j * c.kRow, c.kRow, whole, D, tilesK);
        packTiles(vBase + <usize>j * c.vRow, c.vRow, whole, Dv, tilesV);
        packPanels(kBase + <usize>j * c.kRow, c.kRow, 4, whole, D, 0, wholeColumns(D) / NR, panelsK);
        touched = true;
      }
      const at = j0 - j;
      const kRow = <usize>D << 2, k = tilesK + <usize>at * kRow;
      const vRow = <usize>Dv << 2, v = tilesV + <usize>at * vRow;
      tile.edge = state == SOME && c.dropout == 0 && c.softcap == 0 ? notes : 0; // those two read the whole tile
      products(tile, true, k, kRow, Q, D, S);
      products(tile, true, v, vRow, G, Dv, T);
      adjust(tile, S, c.softcap != 0 ? steep : 0);
      if (state == SOME) hide(tile, S);
      if (c.dropout) {
        weights(tile, S, lse, share);
        drop(tile, S, X);
        droppedSlopes(tile, S, X, T, delta);
      } else slopes(tile, S, T, lse, delta, share);
      if (c.dBias) addBiasSlope(tile, c, T);
      if (c.softcap != 0) multiply(T, steep, <usize>keys * lanes);
      const toK = dK + <usize>at * columnsD, toV = dV + <usize>at * columnsV;
      if (unclean) addVisible(tile, S, X, T, c, q + <usize>i0 * c.qRow, dO + <usize>i0 * c.oRow, kBase + <usize>j0 * c.kRow, toV, toK, dQ);
      else {
        const surplus = <usize>((MR - keys % MR) % MR) * lanes; // rows of the last register tile that are no keys
        memory.fill(X + <usize>keys * lanes, 0, surplus);
        memory.fill(T + <usize>keys * lanes, 0, surplus);
        if (packsO) addTransposed(tile, X, rowsO, WIDTH, n, toV, columnsV);
        else addTransposed(tile, X, dO + <usize>i0 * c.oRow, c.oRow, 1, toV, columnsV);
        if (packsQ) addTransposed(tile, T, rowsQ, WIDTH, n, toK, columnsD);
        else addTransposed(tile, T, q + <usize>i0 * c.qRow, c.qRow, 1, toK, columnsD);
        addQueries(tile, T, panelsK + <usize>at * WIDTH, whole, dQ, columnsD);
      }
    }
    if (!touched && adds) continue;
    giveRows(adds, dK, columnsD, c.dk + (kBase - c.k) + <usize>j * c.kRow, c.kRow, whole, D, c.scale);
    giveRows(adds, dV, columnsV, c.dv + (vBase - c.v) + <usize>j * c.vRow, c.vRow, whole, Dv, 1);
  }
  const dq = c.dq + <usize>b * c.qBatch + <usize>h * c.qHead;
  for (let p = 0; p < count; p++) {
    const dQ = panels + <usize>p * onePanel + <usize>(D + Dv + 3) * lanes;
    giveRows(c.overlap != 0, dQ, columnsD, dq + <usize>(p * PQ) * c.qRow, c.qRow, min(PQ, c.queries - p * PQ), D, c.scale);
  }
}

/** Task t = batch item × key head. With `overlap` dq, dk, dv hold zeros before; else every number of them is written. */
export function attentionBackward(args: usize, task: i32, scratch: usize): void {
  const c = changetype<AttentionArgs>(args);
  const b = task / c.keyHeads, kh = task % c.keyHeads;
  const group = c.heads / c.keyHeads;
  for (let g = 0; g < group; g++) oneHead(c, b, kh * group + g, c.overlap != 0 || g > 0, scratch);
}
