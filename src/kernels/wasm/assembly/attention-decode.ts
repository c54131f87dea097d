/**
 * @file Attention of one query: a decoding step. Every key and value is read once, so it runs at the speed of memory.
 *
 *     s [Lk]  ← q·k_j, lanes along D, four keys at a time
 *               then softcap, bias, distance, rule, key by key
 *     p [Lk]  ← 2^(s − max), lanes along keys
 *     o [Dv]  ← Σ p_j·v_j, lanes along Dv, 32 numbers of o in registers while a block of keys passes by
 *
 * The panels of `attention-forward` would pad one query to a full register tile: eight times the work. A task is one head;
 * scratch is one row of scores and q. What has a loop is a function of its own, exported so that it
 * stays one: put into its caller, the engine keeps fewer of its vectors in registers.
 */
import { AttentionArgs } from "./calls.generated";
import { enterHead, kBase, unclean, vBase } from "./head";
import { LOG2E, queryFactor } from "./scores";
import { exp2Constant, exp2Lanes, exp2One, madd, maxLanes, storePart, sumLanes, tanhLanes } from "./simd";

const LOW: f32 = -Infinity;

export function decodeScratch(args: usize): usize {
  const c = changetype<AttentionArgs>(args);
  return (<usize>(c.headDim + c.keys + 64) << 2) + STRIP;
}

/** Bytes of eight sums each of four keys. */
// @ts-ignore: decorator
@inline const STRIP: usize = 128;

/**
 * Products of q, its numbers from `q` to `end`, a multiple of 8, with four keys: eight sums each → strip [4, 8], side by side
 * so that the wide build joins them. Keys past `last` are key `last` again.
 */
export function dots(q: usize, end: usize, row: usize, kRow: usize, last: i32, strip: usize): void {
  let r0 = row, r1 = row + <usize>min(1, last) * kRow, r2 = row + <usize>min(2, last) * kRow, r3 = row + <usize>min(3, last) * kRow;
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (; q != end; q += 32, r0 += 32, r1 += 32, r2 += 32, r3 += 32) {
    const x = v128.load(q), y = v128.load(q, 16);
    a0 = madd(x, v128.load(r0), a0);
    a1 = madd(y, v128.load(r0, 16), a1);
    b0 = madd(x, v128.load(r1), b0);
    b1 = madd(y, v128.load(r1, 16), b1);
    c0 = madd(x, v128.load(r2), c0);
    c1 = madd(y, v128.load(r2, 16), c1);
    d0 = madd(x, v128.load(r3), d0);
    d1 = madd(y, v128.load(r3, 16), d1);
  }
  v128.store(strip, a0);
  v128.store(strip, a1, 16);
  v128.store(strip, b0, 32);
  v128.store(strip, b1, 48);
  v128.store(strip, c0, 64);
  v128.store(strip, c1, 80);
  v128.store(strip, d0, 96);
  v128.store(strip, d1, 112);
}

/** The sums of each key's eight, as four lanes. */
// @ts-ignore: decorator
@inline function gather(strip: usize): v128 {
  const a = f32x4.add(v128.load(strip), v128.load(strip, 16)), b = f32x4.add(v128.load(strip, 32), v128.load(strip, 48));
  const c = f32x4.add(v128.load(strip, 64), v128.load(strip, 80)), d = f32x4.add(v128.load(strip, 96), v128.load(strip, 112));
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  return f32x4.add(
    f32x4.add(v128.shuffle<i64>(ab0, cd0, 0, 2), v128.shuffle<i64>(ab0, cd0, 1, 3)),
    f32x4.add(v128.shuffle<i64>(ab1, cd1, 0, 2), v128.shuffle<i64>(ab1, cd1, 1, 3)));
}

/** s_j = q·k_j for n keys. */
function scores(q: usize, k: usize, kRow: usize, D: i32, n: i32, strip: usize, s: usize): void {
  const whole = D & ~7, end = q + (<usize>whole << 2);
  let row = k;
  for (let j = 0; j < n; j += 4, row += 4 * kRow) {
    dots(q, end, row, kRow, n - 1 - j, strip);
    v128.store(s + (<usize>j << 2), gather(strip));
  }
  for (let d = whole; d < D; d++) {
    const factor = load<f32>(q + (<usize>d << 2));
    let from = k + (<usize>d << 2);
    for (let j = 0; j < n; j++, from += kRow) {
      const to = s + (<usize>j << 2);
      store<f32>(to, load<f32>(to) + factor * load<f32>(from));
    }
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

/** s becomes 2^(s − top), n a multiple of 8; eight sums of them → `sums`. */
export function exponentials(s: usize, n: i32, top: f32, sums: usize): void {
  const low = exp2Constant(0), magic = exp2Constant(1), c1 = exp2Constant(2), c2 = exp2Constant(3), c3 = exp2Constant(4);
  const c4 = exp2Constant(5), c5 = exp2Constant(6), one = exp2Constant(8), t = f32x4.splat(top);
  let sum = f32x4.splat(0), more = sum;
  for (const end = s + (<usize>n << 2); s != end; s += 32) {
    const x = f32x4.sub(v128.load(s), t), y = f32x4.sub(v128.load(s, 16), t);
    const e = exp2Lanes(x, low, magic, c1, c2, c3, c4, c5, one), f = exp2Lanes(y, low, magic, c1, c2, c3, c4, c5, one);
    v128.store(s, e);
    v128.store(s, f, 16);
    sum = f32x4.add(sum, e);
    more = f32x4.add(more, f);
  }
  v128.store(sums, sum);
  v128.store(sums, more, 16);
}

/** The largest of n scores, a multiple of 8; NaN is passed over. */
export function highest(s: usize, n: i32): f32 {
  let high = f32x4.splat(-f32.MAX_VALUE), more = high;
  for (const end = s + (<usize>n << 2); s != end; s += 32) {
    high = f32x4.pmax(high, v128.load(s));
    more = f32x4.pmax(more, v128.load(s, 16));
  }
  return maxLanes(f32x4.pmax(high, more));
}

/** o [32] += Σ p_j·v_j over n keys. */
export function addWeighted(p: usize, row: usize, vRow: usize, n: i32, o: usize): void {
  let a = v128.load(o), b = v128.load(o, 16), c = v128.load(o, 32), e = v128.load(o, 48);
  let g = v128.load(o, 64), i = v128.load(o, 80), k = v128.load(o, 96), m = v128.load(o, 112);
  for (; n > 0; n--, row += vRow, p += 4) {
    const w = v128.load32_splat(p);
    a = madd(w, v128.load(row), a);
    b = madd(w, v128.load(row, 16), b);
    c = madd(w, v128.load(row, 32), c);
    e = madd(w, v128.load(row, 48), e);
    g = madd(w, v128.load(row, 64), g);
    i = madd(w, v128.load(row, 80), i);
    k = madd(w, v128.load(row, 96), k);
    m = madd(w, v128.load(row, 112), m);
  }
  v128.store(o, a);
  v128.store(o, b, 16);
  v128.store(o, c, 32);
  v128.store(o, e, 48);
  v128.store(o, g, 64);
  v128.store(o, i, 80);
  v128.store(o, k, 96);
  v128.store(o, m, 112);
}

/** Values that are read 32 numbers at a time, then their next 32: 8 KB of 64-number values, which stay in L1 between. */
// @ts-ignore: decorator
@inline const BLOCK: i32 = 32;

/** out [Dv] = share · Σ p_j·v_j. Keys of weight 0 are not read where a value may be NaN. */
function weigh(p: usize, v: usize, vRow: usize, n: i32, Dv: i32, share: f32, out: usize): void {
  const f = f32x4.splat(share);
  const whole = unclean ? 0 : Dv & ~31;
  memory.fill(out, 0, <usize>whole << 2);
  for (let j = 0; j < n; j += BLOCK) {
    const some = min(BLOCK, n - j), from = p + (<usize>j << 2), row = v + <usize>j * vRow;
    for (let d: usize = 0; d < <usize>whole << 2; d += 128) addWeighted(from, row + d, vRow, some, out + d);
  }
  for (let at = out; at < out + (<usize>whole << 2); at += 16) v128.store(at, f32x4.mul(v128.load(at), f));
  for (let d = whole; d < Dv; d += 4) {
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
  const strip = (scratch + 63) & ~63, q = strip + STRIP, s = (q + (<usize>D << 2) + 63) & ~63;
  const factor = queryFactor(c);
  const from = c.q + <usize>b * c.qBatch + <usize>h * c.qHead;
  for (let d = 0; d < D; d++) store<f32>(q + (<usize>d << 2), load<f32>(from + (<usize>d << 2)) * factor);
  let top: f32 = -f32.MAX_VALUE, sum: f32 = 0;
  if (n > 0) {
    scores(q, kBase + <usize>j0 * c.kRow, c.kRow, D, n, strip, s);
    adjust(c, b, h, s, j0, n);
    const padded = (n + 7) & ~7;
    for (let j = n; j < padded; j++) store<f32>(s + (<usize>j << 2), LOW); // the last lanes hold no key
    top = highest(s, padded);
    exponentials(s, padded, top, strip);
    sum = sumLanes(f32x4.add(v128.load(strip), v128.load(strip, 16)));
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
