/**
 * @file A tile of scores: KT keys × one panel of queries, transposed, in units of log2.
 *
 *            queries of the panel → PQ lanes        Sᵀ = K·Qᵀ and not S = Q·Kᵀ: keys are read row by row where they
 *          ┌───────┬───────┬───────┐                lie, only Q is packed (transposed, times scale·log2 e, once per
 *  keys    │ tile  │ tile  │  …    │  MR × NR       panel). Maximum and sum of the softmax run down the columns, one
 *   ↓  KT  ├───────┼───────┼───────┤                query a lane, without sums across lanes; and Pᵀ is already the
 *          │       │       │       │                column-wise operand of P·V.
 *          └───────┴───────┴───────┘
 * Scratch memory is the caller's (one piece a thread). Addresses and strides are bytes; loads may run up to 60 bytes past
 * a row's end, which the allocator leaves room for.
 */
import { AttentionArgs } from "./calls.generated";
import { b, call, h } from "./head";
import { endRow, firstRow } from "./rule";
import { madd, tanhLanes } from "./simd";
import { MR, NR, packedZero, rowsZero, WIDTH } from "./tile";
import { Tile } from "./tile-of-scores";

export const LOG2E: f32 = 1.4426950408889634;

/** Factor on q: the logarithm's base goes in too, unless a softcap must see the natural score. */
export function queryFactor(c: AttentionArgs): f32 {
  return c.softcap != 0 ? c.scale : <f32>(<f64>c.scale * 1.4426950408889634);
}

/** Transposes rows [0, n) of `from` into columns of `to`, NR of them [D, NR] after NR, times factor; lanes n … PQ − 1 become 0. */
export function packPanel(from: usize, row: usize, n: i32, D: i32, PQ: i32, factor: f32, to: usize): void {
  const step = WIDTH;
  const f = f32x4.splat(factor);
  for (let x = 0; x < PQ; x += 4) {
    let d = 0;
    const out = to + <usize>(x / NR * D) * WIDTH + (<usize>(x % NR) << 2);
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

/** Rows of a tile in memory: the last register tile may reach past the last key, and P·V past the last query of a row. */
export function tileRows(c: AttentionArgs): i32 {
  return c.keyTile + MR;
}

/**
 * Sᵀ [keys, PQ] = K·Qᵀ for the queries of a packed panel. Also dPᵀ = V·dOᵀ, from v and dO. Lanes past n hold anything.
 * `packed`: the keys lie in tiles of MR; else they are rows, rowBytes apart. The same sums in the same order.
 */
export function products(tile: Tile, packed: bool, rows: usize, rowBytes: usize, panel: usize, depth: i32, out: usize): void {
  const step = <usize>tile.PQ << 2, keys = tile.keys;
  if (depth == 0) memory.fill(out, 0, <usize>keys * step);
  else if (tile.edge) edgeProducts(tile, packed, rows, rowBytes, panel, depth, out);
  else {
    const lanes = <usize>tile.n << 2;
    for (let r = 0; r < keys; r += MR) {
      const a = rows + <usize>r * rowBytes, c = out + <usize>r * step;
      for (let x: usize = 0; x < lanes; x += WIDTH) {
        const b = panel + x * <usize>depth;
        if (packed) packedZero(a, b, c + x, step, depth);
        else rowsZero(a, rowBytes, <usize>min(MR, keys - r) - 1, b, WIDTH, c + x, step, depth);
      }
    }
  }
}

/** The same on the edge of the intervals: register tiles that lie outside whole are left out and hold anything. */
function edgeProducts(tile: Tile, packed: bool, rows: usize, rowBytes: usize, panel: usize, depth: i32, out: usize): void {
  const step = <usize>tile.PQ << 2, keys = tile.keys;
  for (let x = 0; x < tile.n; x += NR) {
    const end = endRow(tile, x, NR);
    const lane = <usize>x << 2, b = panel + lane * <usize>depth;
    for (let r = firstRow(tile, x, NR) / MR * MR; r < end; r += MR) {
      const a = rows + <usize>r * rowBytes, c = out + <usize>r * step + lane;
      if (packed) packedZero(a, b, c, step, depth);
      else rowsZero(a, rowBytes, <usize>min(MR, keys - r) - 1, b, WIDTH, c, step, depth);
    }
  }
}

/** Softcap, bias and distance on a tile. `steep` (0 or [keys, PQ]) takes 1 − tanh², the softcap's slope. */
export function adjust(tile: Tile, S: usize, steep: usize): void {
  if (call.softcap != 0) cap(S, <usize>(tile.keys * tile.PQ) << 2, steep);
  if (call.bias) addBias(tile, S);
  if (call.slopes) addDistance(tile, S);
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

function addBias(tile: Tile, S: usize): void {
  const n = tile.n, keys = tile.keys, step = <usize>tile.PQ << 2;
  const base = call.bias + b * call.biasBatch + h * call.biasHead + tile.q0 * call.biasQuery + tile.j0 * call.biasKey;
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
function addDistance(tile: Tile, S: usize): void {
  const PQ = tile.PQ;
  const slope = f32x4.splat(-load<f32>(call.slopes + (<usize>h << 2)) * LOG2E);
  for (let r = 0; r < tile.keys; r++) {
    const row = S + (<usize>(r * PQ) << 2);
    const base = call.queryOffset + tile.q0 - tile.j0 - r;
    for (let x = 0; x < PQ; x += 4) {
      const distance = f32x4.abs(f32x4.convert_i32x4_s(i32x4.add(i32x4.splat(base + x), i32x4(0, 1, 2, 3))));
      const p = row + (<usize>x << 2);
      v128.store(p, madd(distance, slope, v128.load(p)));
    }
  }
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
