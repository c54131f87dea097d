/** @file From a tile of scores S and one of dP to P and dS, number by number: see attention-backward.ts for the formulas. */
import { AttentionArgs } from "./calls.generated";
import { b, h } from "./head";
import { endRow, firstRow } from "./rule";
import { clearRows } from "./scores";
import { exp2Constant, exp2Lanes } from "./simd";
import { Tile } from "./tile-of-scores";

/**
 * S becomes P; T, which holds dP, becomes dS. A masked pair has P = 0 and gets dS = 0, whatever dP is.
 * On the edge of the intervals rows that eight lanes cannot see are not read and become 0 in both.
 */
export function slopes(tile: Tile, S: usize, T: usize, lse: usize, delta: usize, share: usize): void {
  const keys = tile.keys, edge = tile.edge, lanes = <usize>tile.n << 2, step = <usize>tile.PQ << 2;
  const low = exp2Constant(0), magic = exp2Constant(1), c1 = exp2Constant(2), c2 = exp2Constant(3), c3 = exp2Constant(4);
  const c4 = exp2Constant(5), c5 = exp2Constant(6), one = exp2Constant(8), zero = f32x4.splat(0);
  for (let x: usize = 0; x < lanes; x += 32) {
    const l0 = v128.load(lse + x), l1 = v128.load(lse + x, 16), d0 = v128.load(delta + x), d1 = v128.load(delta + x, 16);
    const f0 = v128.load(share + x), f1 = v128.load(share + x, 16);
    let first = 0, end = keys;
    if (edge) {
      first = min(keys, firstRow(tile, <i32>(x >> 2), 8));
      end = max(first, endRow(tile, <i32>(x >> 2), 8));
      clearRows(S + x, step, 0, first);
      clearRows(T + x, step, 0, first);
      clearRows(S + x, step, end, keys);
      clearRows(T + x, step, end, keys);
    }
    let s = S + x + <usize>first * step, t = T + x + <usize>first * step;
    for (let r = end - first; r > 0; r--, s += step, t += step) {
      const p0 = f32x4.mul(exp2Lanes(f32x4.sub(v128.load(s), l0), low, magic, c1, c2, c3, c4, c5, one), f0);
      const p1 = f32x4.mul(exp2Lanes(f32x4.sub(v128.load(s, 16), l1), low, magic, c1, c2, c3, c4, c5, one), f1);
      v128.store(s, p0);
      v128.store(s, p1, 16);
      v128.store(t, v128.andnot(f32x4.mul(p0, f32x4.sub(v128.load(t), d0)), f32x4.eq(p0, zero)));
      v128.store(t, v128.andnot(f32x4.mul(p1, f32x4.sub(v128.load(t, 16), d1)), f32x4.eq(p1, zero)), 16);
    }
  }
}

/** After `drop`: T = X ∘ dP − P ∘ Δ, 0 where P is 0. S holds P here, T the untouched dP. */
export function droppedSlopes(tile: Tile, P: usize, X: usize, T: usize, delta: usize): void {
  const keys = tile.keys, PQ = tile.PQ;
  const zero = f32x4.splat(0);
  for (let r = 0; r < keys; r++) {
    for (let x = 0; x < PQ; x += 4) {
      const at = <usize>(r * PQ + x) << 2;
      const p = v128.load(P + at);
      const kept = v128.load(X + at);
      const first = v128.andnot(f32x4.mul(kept, v128.load(T + at)), f32x4.eq(kept, zero));
      v128.store(T + at, v128.andnot(f32x4.sub(first, f32x4.mul(p, v128.load(delta + (<usize>x << 2)))), f32x4.eq(p, zero)));
    }
  }
}

/** P alone, for the path with dropout. */
export function weights(tile: Tile, S: usize, lse: usize, share: usize): void {
  const keys = tile.keys, PQ = tile.PQ;
  for (let r = 0; r < keys; r++) {
    for (let x = 0; x < PQ; x += 4) {
      const at = S + (<usize>(r * PQ + x) << 2);
      const e = exp2Lanes(f32x4.sub(v128.load(at), v128.load(lse + (<usize>x << 2))), exp2Constant(0), exp2Constant(1), exp2Constant(2), exp2Constant(3), exp2Constant(4), exp2Constant(5), exp2Constant(6), exp2Constant(8));
      v128.store(at, f32x4.mul(e, v128.load(share + (<usize>x << 2))));
    }
  }
}

/** dBias += dS, wherever the pair's bias came from. */
export function addBiasSlope(tile: Tile, c: AttentionArgs, T: usize): void {
  const PQ = tile.PQ, keys = tile.keys;
  const base = c.dBias + b * c.biasBatch + h * c.biasHead + tile.q0 * c.biasQuery + tile.j0 * c.biasKey;
  for (let i = 0; i < tile.n; i++) {
    for (let r = 0; r < keys; r++) {
      const at = base + i * c.biasQuery + r * c.biasKey;
      store<f32>(at, load<f32>(at) + load<f32>(T + (<usize>(r * PQ + i) << 2)));
    }
  }
}

export function multiply(T: usize, by: usize, bytes: usize): void {
  for (let p: usize = 0; p < bytes; p += 16) v128.store(T + p, f32x4.mul(v128.load(T + p), v128.load(by + p)));
}
