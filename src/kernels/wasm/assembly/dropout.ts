/** @file Dropout on a tile of weights. Whether a pair is dropped follows from seed and position alone. */
import { b, call, h } from "./head";
import { Tile } from "./tile-of-scores";

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
export function drop(tile: Tile, P: usize, out: usize): void {
  const q0 = tile.q0, PQ = tile.PQ, j0 = tile.j0, keys = tile.keys;
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
