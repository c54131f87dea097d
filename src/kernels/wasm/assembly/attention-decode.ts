/**
 * @file Attention of one query: a decoding step. Every key and value is read once, so it runs at the speed of memory.
 *
 *     s [Lk]  ← q·k_j, four keys at a time, lanes along D         then softcap, bias, distance, rule, key by key
 *     p [Lk]  ← 2^(s − max), lanes along keys
 *     o [Dv]  ← Σ p_j·v_j, lanes along Dv, 32 numbers of o in registers while the keys pass by
 *
 * The panels of `attention-forward` would pad one query to a full register tile: eight times the work. A task is one head;
 * scratch is one row of scores and q.
 */
import { AttentionArgs } from "./calls.generated";
import { enterHead, kBase, unclean, vBase } from "./head";
import { LOG2E, queryFactor } from "./scores";
import { exp2Constant, exp2Lanes, exp2One, madd, maxLanes, storePart, sumLanes, tanhLanes } from "./simd";

const LOW: f32 = -Infinity;

export function decodeScratch(args: usize): usize {
  const c = changetype<AttentionArgs>(args);
  return <usize>(c.headDim + c.keys + 64) << 2;
}

/** s_j = q·k_j for keys [j0, j1). */
function scores(q: usize, k: usize, kRow: usize, D: i32, n: i32, s: usize): void {
  const whole = D & ~3;
  for (let j = 0; j < n; j += 4) {
    const k0 = k + <usize>j * kRow, k1 = k + <usize>min(j + 1, n - 1) * kRow;
    const k2 = k + <usize>min(j + 2, n - 1) * kRow, k3 = k + <usize>min(j + 3, n - 1) * kRow;
    let a = f32x4.splat(0), b = a, c = a, d = a;
    for (let x = 0; x < whole; x += 4) {
      const at = <usize>x << 2;
      const v = v128.load(q + at);
      a = madd(v, v128.load(k0 + at), a);
      b = madd(v, v128.load(k1 + at), b);
      c = madd(v, v128.load(k2 + at), c);
      d = madd(v, v128.load(k3 + at), d);
    }
    // 4 × 4 turned, then added: lane j holds the sum of key j
    const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    let sum = f32x4.add(
      f32x4.add(v128.shuffle<i64>(ab0, cd0, 0, 2), v128.shuffle<i64>(ab0, cd0, 1, 3)),
      f32x4.add(v128.shuffle<i64>(ab1, cd1, 0, 2), v128.shuffle<i64>(ab1, cd1, 1, 3)));
    for (let x = whole; x < D; x++) {
      const at = <usize>x << 2;
      let column = v128.load32_splat(k0 + at);
      column = v128.load32_lane(k1 + at, column, 1);
      column = v128.load32_lane(k2 + at, column, 2);
      column = v128.load32_lane(k3 + at, column, 3);
      sum = madd(v128.load32_splat(q + at), column, sum);
    }
    v128.store(s + (<usize>j << 2), sum);
  }
}

/** Softcap, bias, distance and rule on scores of keys [j0, j0 + n). */
function adjust(c: AttentionArgs, b: i32, h: i32, s: usize, j0: i32, n: i32): void {
  if (c.softcap != 0) {
    const inverse = f32x4.splat(1 / c.softcap), back = f32x4.splat(<f32>(<f64>c.softcap * 1.4426950408889634));
    for (let j = 0; j < n; j += 4) {
      const at = s + (<usize>j << 2);
      v128.store(at, f32x4.mul(tanhLanes(f32x4.mul(v128.load(at), inverse)), back));
    }
  }
  if (!(c.bias || c.slopes || c.keyMask || c.mask || c.documentOfKey || c.blocks)) return;
  const document = c.documentOfQuery ? load<i32>(c.documentOfQuery + (<usize>(b * c.documentQueryBatch) << 2)) : 0;
  for (let r = 0; r < n; r++) {
    const j = j0 + r;
    const at = s + (<usize>r << 2);
    let score = load<f32>(at);
    if (c.bias) {
      const bias = load<f32>(c.bias + b * c.biasBatch + h * c.biasHead + j * c.biasKey);
      score = bias == LOW ? LOW : score + bias * LOG2E;
    }
    if (c.slopes) score -= load<f32>(c.slopes + (<usize>h << 2)) * LOG2E * <f32>abs(c.queryOffset - j);
    const hidden = (c.keyMask != 0 && load<u8>(c.keyMask + <usize>b * c.keyMaskBatch + <usize>j) == 0)
      || (c.mask != 0 && load<u8>(c.mask + b * c.maskBatch + h * c.maskHead + j * c.maskKey) == 0)
      || (c.documentOfKey != 0 && load<i32>(c.documentOfKey + (<usize>(b * c.documentKeyBatch + j) << 2)) != document)
      || (c.blocks != 0 && load<u8>(c.blocks + b * c.blockBatch + h * c.blockHead + (j / c.blockSize) * c.blockKey) == 0);
    store<f32>(at, hidden ? LOW : score);
  }
}

/** s becomes 2^(s − top); their sum. */
function exponentials(s: usize, n: i32, top: f32): f32 {
  const low = exp2Constant(0), magic = exp2Constant(1), c1 = exp2Constant(2), c2 = exp2Constant(3), c3 = exp2Constant(4);
  const c4 = exp2Constant(5), c5 = exp2Constant(6), one = exp2Constant(8), t = f32x4.splat(top);
  let sum = f32x4.splat(0);
  for (let j = 0; j < n; j += 4) {
    const at = s + (<usize>j << 2);
    const e = exp2Lanes(f32x4.sub(v128.load(at), t), low, magic, c1, c2, c3, c4, c5, one);
    v128.store(at, e);
    sum = f32x4.add(sum, e);
  }
  return sumLanes(sum);
}

/** out [Dv] = share · Σ p_j·v_j. Keys of weight 0 are not read where a value may be NaN. */
function weigh(p: usize, v: usize, vRow: usize, n: i32, Dv: i32, share: f32, out: usize): void {
  const f = f32x4.splat(share);
  let d = 0;
  for (; d + 32 <= Dv && !unclean; d += 32) {
    let row = v + (<usize>d << 2);
    let a = f32x4.splat(0), b = a, c = a, e = a, g = a, i = a, k = a, m = a;
    for (let j = 0; j < n; j++, row += vRow) {
      const w = v128.load32_splat(p + (<usize>j << 2));
      a = madd(w, v128.load(row), a);
      b = madd(w, v128.load(row, 16), b);
      c = madd(w, v128.load(row, 32), c);
      e = madd(w, v128.load(row, 48), e);
      g = madd(w, v128.load(row, 64), g);
      i = madd(w, v128.load(row, 80), i);
      k = madd(w, v128.load(row, 96), k);
      m = madd(w, v128.load(row, 112), m);
    }
    const to = out + (<usize>d << 2);
    v128.store(to, f32x4.mul(a, f));
    v128.store(to, f32x4.mul(b, f), 16);
    v128.store(to, f32x4.mul(c, f), 32);
    v128.store(to, f32x4.mul(e, f), 48);
    v128.store(to, f32x4.mul(g, f), 64);
    v128.store(to, f32x4.mul(i, f), 80);
    v128.store(to, f32x4.mul(k, f), 96);
    v128.store(to, f32x4.mul(m, f), 112);
  }
  for (; d < Dv; d += 4) {
    let row = v + (<usize>d << 2);
    let a = f32x4.splat(0);
    for (let j = 0; j < n; j++, row += vRow) {
      const w = load<f32>(p + (<usize>j << 2));
      if (w != 0) a = madd(f32x4.splat(w), v128.load(row), a);
    }
    a = f32x4.mul(a, f);
    if (d + 4 <= Dv) v128.store(out + (<usize>d << 2), a);
    else storePart(out + (<usize>d << 2), a, Dv - d);
  }
}

/** Task t = batch item × query head; one query, no dropout. */
export function attentionDecode(args: usize, task: i32, scratch: usize): void {
  const c = changetype<AttentionArgs>(args);
  const b = task / c.heads, h = task % c.heads;
  const D = c.headDim;
  const out = c.o + <usize>b * c.oBatch + <usize>h * c.oHead;
  const lse = c.lse + (<usize>task << 2);
  const rule = <usize>(b * c.ruleBatch) << 2;
  const j0 = max(0, load<i32>(c.first + rule)), n = min(c.keys, load<i32>(c.end + rule)) - j0;
  enterHead(c, b, h);
  const q = (scratch + 63) & ~63, s = (q + (<usize>D << 2) + 63) & ~63;
  const factor = queryFactor(c);
  const from = c.q + <usize>b * c.qBatch + <usize>h * c.qHead;
  for (let d = 0; d < D; d++) store<f32>(q + (<usize>d << 2), load<f32>(from + (<usize>d << 2)) * factor);
  let top: f32 = -f32.MAX_VALUE, sum: f32 = 0;
  if (n > 0) {
    scores(q, kBase + <usize>j0 * c.kRow, c.kRow, D, n, s);
    adjust(c, b, h, s, j0, n);
    for (let j = n; j < ((n + 3) & ~3); j++) store<f32>(s + (<usize>j << 2), LOW); // the last lanes hold no key
    let high = f32x4.splat(top);
    for (let j = 0; j < n; j += 4) high = f32x4.pmax(high, v128.load(s + (<usize>j << 2)));
    top = maxLanes(high);
    sum = exponentials(s, n, top);
  }
  let share: f32 = sum == 0 ? 0 : 1 / sum;
  let total: f64 = -Infinity;
  if (sum != 0) {
    if (c.sinks) {
      const sink = <f32>(<f64>load<f32>(c.sinks + (<usize>h << 2)) * 1.4426950408889634);
      const high = max(top, sink);
      const scaled = exp2One(top - high);
      sum = sum * scaled + exp2One(sink - high);
      share = scaled / sum;
      top = high;
    }
    total = <f64>top * 0.6931471805599453 + Math.log(<f64>sum);
  }
  store<f32>(lse, <f32>total);
  weigh(s, vBase + <usize>j0 * c.vRow, c.vRow, max(n, 0), c.valueDim, share, out);
}
