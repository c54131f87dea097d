/**
 * @file The map itself, or a part of it: P = e^(s − lse) for some rows and columns, written as [B, H, rows, columns].
 *
 *            columns asked for          a task = a block of rows of one head; keys of a block of columns are packed once
 *           ┌────┬────┬────┐            for them, then MR rows at a time are multiplied and become weights row by row.
 *   rows    │    │    │    │
 *           └────┴────┴────┘
 * Without lse a first pass over all keys finds m = max s and l = Σ e^(s − m) of each row, and P = e^(s − m)/l.
 * Scratch: packed keys [D, COLUMNS] · scores [MR, COLUMNS] · m, l of a block. A pair that may not attend is 0 whatever stands there.
 */
import { AttentionArgs } from "./calls.generated";
import { b, call, enterHead, h, kBase } from "./head";
import { packPanels } from "./pack";
import { put } from "./rows";
import { expLanes, madd, maxLanes, sumLanes, tanhLanes } from "./simd";
import { MR, NR, rowsZero, WIDTH } from "./tile";

// @ts-ignore: decorator
@inline const COLUMNS: i32 = 256;

/** Rows of a task. */
export function weightsRows(): i32 {
  return 12 * MR;
}

export function weightsScratch(args: usize): usize {
  return <usize>(COLUMNS * (changetype<AttentionArgs>(args).headDim + MR) + 2 * weightsRows()) * 4 + 512;
}

export function attentionWeights(args: usize, task: i32, scratch: usize): void {
  const c = changetype<AttentionArgs>(args);
  const head = task / c.blockCount, block = task % c.blockCount;
  const i0 = c.firstRow + block * weightsRows(), i1 = min(i0 + weightsRows(), c.endRow);
  const packed = (scratch + 63) & ~63;
  const S = packed + <usize>(COLUMNS * c.headDim) * 4;
  const highs = S + <usize>(COLUMNS * MR) * 4, sums = highs + <usize>weightsRows() * 4;
  enterHead(c, head / c.heads, head % c.heads);
  if (!c.lse) {
    for (let x = 0; x < i1 - i0; x++) {
      store<f32>(highs + (<usize>x << 2), -f32.MAX_VALUE);
      store<f32>(sums + (<usize>x << 2), 0);
    }
    for (let j = 0; j < c.keys; j += COLUMNS) sumBlock(i0, i1, j, min(COLUMNS, c.keys - j), packed, S, highs, sums);
    for (let x: usize = 0; x < <usize>(i1 - i0); x++) addSink(highs + (x << 2), sums + (x << 2));
  } else {
    const at = c.lse + (<usize>(head * c.queries + i0) << 2);
    for (let x: usize = 0; x < <usize>(i1 - i0); x++) {
      store<f32>(highs + (x << 2), load<f32>(at + (x << 2)));
      store<f32>(sums + (x << 2), 1);
    }
  }
  const width = c.endColumn - c.firstColumn;
  const out = c.o + (<usize>(head * (c.endRow - c.firstRow) + i0 - c.firstRow) * width << 2);
  for (let j = c.firstColumn; j < c.endColumn; j += COLUMNS) {
    const to = out + (<usize>(j - c.firstColumn) << 2);
    writeBlock(i0, i1, j, min(COLUMNS, c.endColumn - j), packed, S, highs, sums, to, <usize>width << 2);
  }
}

/** The row's interval of keys. */
// @ts-ignore: decorator
@inline function firstOf(i: i32): i32 {
  return max(0, load<i32>(call.first + (<usize>(b * call.ruleBatch + i) << 2)));
}
// @ts-ignore: decorator
@inline function endOf(i: i32): i32 {
  return min(call.keys, load<i32>(call.end + (<usize>(b * call.ruleBatch + i) << 2)));
}

/** Whether any of rows [i0, i1) sees a key of [j, j + keys) as far as the intervals say. */
function seesSome(i0: i32, i1: i32, j: i32, keys: i32): bool {
  for (let i = i0; i < i1; i++) if (max(firstOf(i), j) < min(endOf(i), j + keys)) return true;
  return false;
}

function packKeys(j: i32, keys: i32, packed: usize): void {
  packPanels(kBase + <usize>j * call.kRow, 4, call.kRow, call.headDim, keys, 0, (keys + NR - 1) / NR, packed);
}

/** Scores of up to MR rows from row i on, [MR, COLUMNS]: adjusted, −∞ where a pair may not attend. */
function scoreRows(i: i32, rows: i32, j: i32, keys: i32, packed: usize, S: usize): void {
  const q = call.q + <usize>b * call.qBatch + <usize>h * call.qHead + <usize>i * call.qRow;
  for (let x = 0; x < keys; x += NR) {
    rowsZero(q, call.qRow, rows - 1, packed + (<usize>(x * call.headDim) << 2), WIDTH, S + (<usize>x << 2), COLUMNS << 2, call.headDim);
  }
  for (let r = 0; r < rows; r++) adjustRow(S + (<usize>(r * COLUMNS) << 2), i + r, j, keys);
}

function adjustRow(S: usize, i: i32, j: i32, keys: i32): void {
  const first = i32x4.splat(firstOf(i)), end = i32x4.splat(endOf(i));
  const scale = f32x4.splat(call.scale), cap = f32x4.splat(call.softcap);
  const bias = call.bias ? call.bias + b * call.biasBatch + h * call.biasHead + i * call.biasQuery + j * call.biasKey : 0;
  const slope = f32x4.splat(call.slopes ? -load<f32>(call.slopes + (<usize>h << 2)) : 0);
  const pairs = call.keyMask != 0 || call.mask != 0 || call.documentOfKey != 0 || call.blocks != 0;
  for (let x = 0; x < keys; x += 4) {
    const at = S + (<usize>x << 2);
    let s = f32x4.mul(v128.load(at), scale);
    if (call.softcap != 0) s = f32x4.mul(tanhLanes(f32x4.div(s, cap)), cap);
    let seen = i32x4.splat(-1);
    if (bias) {
      const added = biases(bias + x * call.biasKey);
      s = f32x4.add(s, added);
      seen = f32x4.ne(added, f32x4.splat(-Infinity)); // a bias of −∞ hides a key, whatever stands there
    }
    const key = i32x4.add(i32x4.splat(j + x), i32x4(0, 1, 2, 3));
    if (call.slopes) s = madd(f32x4.abs(f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(call.queryOffset + i), key))), slope, s);
    seen = v128.and(seen, v128.and(i32x4.ge_s(key, first), i32x4.lt_s(key, end)));
    if (pairs && v128.any_true(seen)) seen = v128.and(seen, visible(i, j + x, min(4, keys - x)));
    v128.store(at, v128.bitselect(s, f32x4.splat(-Infinity), seen));
  }
}

/** The biases of four keys; past the last key whatever lies there. */
// @ts-ignore: decorator
@inline function biases(at: usize): v128 {
  if (call.biasKey == 4) return v128.load(at);
  let v = v128.load32_splat(at);
  v = v128.load32_lane(at + call.biasKey, v, 1);
  v = v128.load32_lane(at + 2 * call.biasKey, v, 2);
  return v128.load32_lane(at + 3 * call.biasKey, v, 3);
}

/** Lanes of keys j … j + n − 1 that the bytes of the rule let through. */
function visible(i: i32, j: i32, n: i32): v128 {
  let lanes = i32x4.splat(0);
  if (may(i, j)) lanes = i32x4.replace_lane(lanes, 0, -1);
  if (n > 1 && may(i, j + 1)) lanes = i32x4.replace_lane(lanes, 1, -1);
  if (n > 2 && may(i, j + 2)) lanes = i32x4.replace_lane(lanes, 2, -1);
  if (n > 3 && may(i, j + 3)) lanes = i32x4.replace_lane(lanes, 3, -1);
  return lanes;
}

function may(i: i32, j: i32): bool {
  if (call.keyMask && load<u8>(call.keyMask + <usize>b * call.keyMaskBatch + <usize>j) == 0) return false;
  if (call.mask && load<u8>(call.mask + b * call.maskBatch + h * call.maskHead + i * call.maskQuery + j * call.maskKey) == 0) return false;
  if (call.documentOfKey) {
    const own = load<i32>(call.documentOfQuery + (<usize>(b * call.documentQueryBatch + i) << 2));
    if (own != load<i32>(call.documentOfKey + (<usize>(b * call.documentKeyBatch + j) << 2))) return false;
  }
  if (!call.blocks) return true;
  const size = call.blockSize;
  return load<u8>(call.blocks + b * call.blockBatch + h * call.blockHead + i / size * call.blockQuery + j / size * call.blockKey) != 0;
}

/** Moves m and l of rows on by a block of keys. m begins at the lowest finite number, so −∞ − m is never NaN. */
function sumBlock(i0: i32, i1: i32, j: i32, keys: i32, packed: usize, S: usize, highs: usize, sums: usize): void {
  if (!seesSome(i0, i1, j, keys)) return;
  packKeys(j, keys, packed);
  for (let i = i0; i < i1; i += MR) {
    const rows = min(MR, i1 - i);
    scoreRows(i, rows, j, keys, packed, S);
    for (let r = 0; r < rows; r++) {
      const row = S + (<usize>(r * COLUMNS) << 2), at = <usize>(i - i0 + r) << 2;
      for (let x = keys; x < ((keys + 3) & ~3); x++) store<f32>(row + (<usize>x << 2), -Infinity);
      const before = load<f32>(highs + at);
      let top = f32x4.splat(before);
      for (let x = 0; x < keys; x += 4) top = f32x4.max(top, v128.load(row + (<usize>x << 2))); // NaN stays
      const high = maxLanes(top), m = f32x4.splat(high);
      let l = f32x4.splat(0);
      for (let x = 0; x < keys; x += 4) l = f32x4.add(l, weightLanes(v128.load(row + (<usize>x << 2)), m));
      const kept = f32x4.extract_lane(expLanes(f32x4.splat(before - high)), 0);
      store<f32>(highs + at, high);
      store<f32>(sums + at, load<f32>(sums + at) * kept + sumLanes(l));
    }
  }
}

/** e^(s − m), exactly 0 where s is −∞. */
// @ts-ignore: decorator
@inline function weightLanes(s: v128, m: v128): v128 {
  return v128.and(expLanes(f32x4.sub(s, m)), f32x4.ne(s, f32x4.splat(-Infinity)));
}

/** The sink is one more logit of a row that sees something. */
function addSink(high: usize, sum: usize): void {
  const l = load<f32>(sum);
  if (!call.sinks || l == 0) return;
  const sink = load<f32>(call.sinks + (<usize>h << 2)), m = load<f32>(high), top = max(m, sink);
  store<f32>(high, top);
  store<f32>(sum, l * f32x4.extract_lane(expLanes(f32x4.splat(m - top)), 0) + f32x4.extract_lane(expLanes(f32x4.splat(sink - top)), 0));
}

/** Weights of rows [i0, i1) for a block of columns. `out`: row i0, the block's first column; `step`: bytes a row. */
function writeBlock(i0: i32, i1: i32, j: i32, keys: i32, packed: usize, S: usize, highs: usize, sums: usize, out: usize, step: usize): void {
  if (!seesSome(i0, i1, j, keys)) {
    for (let i = i0; i < i1; i++, out += step) memory.fill(out, 0, <usize>keys << 2);
    return;
  }
  packKeys(j, keys, packed);
  for (let i = i0; i < i1; i += MR) {
    const rows = min(MR, i1 - i);
    scoreRows(i, rows, j, keys, packed, S);
    for (let r = 0; r < rows; r++, out += step) {
      const row = S + (<usize>(r * COLUMNS) << 2), at = <usize>(i - i0 + r) << 2;
      const m = f32x4.splat(load<f32>(highs + at)), l = load<f32>(sums + at);
      const share = f32x4.splat(l == 0 ? 0 : 1 / l);
      for (let x = 0; x < keys; x += 4) {
        const w = f32x4.mul(weightLanes(v128.load(row + (<usize>x << 2)), m), share);
        put(out + (<usize>x << 2), w, keys - x);
      }
    }
  }
}
