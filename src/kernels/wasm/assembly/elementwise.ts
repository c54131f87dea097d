/**
 * @file Functions of one or two numbers over whole arrays, and what the optimiser does to every parameter.
 *
 * Arrays are cut into tasks of equal length by the caller; lanes past the end are computed on whatever lies there and not
 * stored. Numbers of kinds are those of ../kinds.ts.
 */
import { erfLanes, expLanes, logLanes, madd, sigmoidLanes, sinLanes, storePart, tanhLanes } from "./simd";

export const RELU: i32 = 1;
export const GELU: i32 = 2;
export const GELU_TANH: i32 = 3;
export const SILU: i32 = 4;
export const TANH: i32 = 5;
export const SIGMOID: i32 = 6;
export const ERF: i32 = 7;
export const EXP: i32 = 8;
export const SQRT: i32 = 9;
export const RSQRT: i32 = 10;
export const SQUARE: i32 = 11;
export const NEGATE: i32 = 12;
export const RECIPROCAL: i32 = 13;
export const ABS: i32 = 14;
export const LOG: i32 = 15;
export const COS: i32 = 16;
export const SIN: i32 = 17;

/** x/2 · (1 + erf(x/√2)). Hendrycks & Gimpel 2016 (arXiv:1606.08415). */
// @ts-ignore: decorator
@inline function gelu(x: v128): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return madd(half, erfLanes(f32x4.mul(x, f32x4.splat(0.7071067811865476))), half);
}

/** √(2/π)·(x + 0.044715x³), the argument of the tanh form. */
// @ts-ignore: decorator
@inline function geluInner(x: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(x, x), x);
  return f32x4.mul(madd(cube, f32x4.splat(0.044715), x), f32x4.splat(0.7978845608028654));
}

// @ts-ignore: decorator
@inline function geluTanh(x: v128): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return madd(half, tanhLanes(geluInner(x)), half);
}

// @ts-ignore: decorator
@inline function relu(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0)); // NaN < 0 is false: NaN stays
}

// @ts-ignore: decorator
@inline function silu(x: v128): v128 {
  return f32x4.mul(x, sigmoidLanes(x));
}

/** What `linear` may apply: kinds RELU … TANH. Not inlined: called from several places. */
export function activate(kind: i32, x: v128): v128 {
  if (kind == GELU) return gelu(x);
  if (kind == GELU_TANH) return geluTanh(x);
  if (kind == SILU) return silu(x);
  if (kind == RELU) return relu(x);
  return tanhLanes(x);
}

// @ts-ignore: decorator
@inline function one(kind: i32, x: v128): v128 {
  const unit = f32x4.splat(1);
  if (kind <= TANH) return activate(kind, x);
  if (kind == SIGMOID) return sigmoidLanes(x);
  if (kind == ERF) return erfLanes(x);
  if (kind == EXP) return expLanes(x);
  if (kind == SQRT) return f32x4.sqrt(x);
  if (kind == RSQRT) return f32x4.div(unit, f32x4.sqrt(x));
  if (kind == SQUARE) return f32x4.mul(x, x);
  if (kind == NEGATE) return f32x4.neg(x);
  if (kind == RECIPROCAL) return f32x4.div(unit, x);
  if (kind == ABS) return f32x4.abs(x);
  if (kind == LOG) return logLanes(x);
  return sinLanes(x, kind == COS ? 1 : 0);
}

/**
 * y = f(x) over whole steps of 32 bytes, kinds RELU … TANH; y may be x. Two neighbouring vectors at a time: the wide build
 * joins them to one of 256 bits.
 */
export function activateAll(kind: i32, x: usize, y: usize, bytes: usize): void {
  if (kind == GELU) {
    for (let at: usize = 0; at < bytes; at += 32) {
      const a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = gelu(a), fb = gelu(b);
      v128.store(y + at, fa);
      v128.store(y + at, fb, 16);
    }
  } else if (kind == GELU_TANH) {
    for (let at: usize = 0; at < bytes; at += 32) {
      const a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = geluTanh(a), fb = geluTanh(b);
      v128.store(y + at, fa);
      v128.store(y + at, fb, 16);
    }
  } else if (kind == SILU) {
    for (let at: usize = 0; at < bytes; at += 32) {
      const a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = silu(a), fb = silu(b);
      v128.store(y + at, fa);
      v128.store(y + at, fb, 16);
    }
  } else {
    for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, activate(kind, v128.load(x + at)));
  }
}

export function unary(kind: i32, x: usize, y: usize, n: i32): void {
  let i = 0;
  if (kind <= TANH) {
    i = n & ~7;
    activateAll(kind, x, y, <usize>i << 2);
  }
  for (; i < n; i += 4) {
    const at = <usize>i << 2;
    const v = one(kind, v128.load(x + at));
    if (i + 4 <= n) v128.store(y + at, v);
    else storePart(y + at, v, n - i);
  }
}

/** Φ(x) + x·φ(x) */
// @ts-ignore: decorator
@inline function geluSlope(x: v128): v128 {
  const half = f32x4.splat(0.5);
  const cumulative = madd(half, erfLanes(f32x4.mul(x, f32x4.splat(0.7071067811865476))), half);
  const density = f32x4.mul(f32x4.splat(0.3989422804014327), expLanes(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5))));
  return madd(x, density, cumulative);
}

// @ts-ignore: decorator
@inline function geluTanhSlope(x: v128): v128 {
  const t = tanhLanes(geluInner(x)), unit = f32x4.splat(1), half = f32x4.splat(0.5);
  const inner = madd(f32x4.mul(x, x), f32x4.splat(0.1070322243), f32x4.splat(0.7978845608028654)); // √(2/π)·(1 + 3·0.044715x²)
  const rest = f32x4.mul(f32x4.mul(f32x4.mul(half, x), f32x4.sub(unit, f32x4.mul(t, t))), inner);
  return f32x4.add(madd(half, t, half), rest);
}

// @ts-ignore: decorator
@inline function siluSlope(x: v128): v128 {
  const s = sigmoidLanes(x), unit = f32x4.splat(1);
  return f32x4.mul(s, madd(x, f32x4.sub(unit, s), unit));
}

/** Slope of a function of one number. */
function slope(kind: i32, x: v128): v128 {
  const unit = f32x4.splat(1);
  if (kind == RELU) return v128.bitselect(unit, f32x4.splat(0), f32x4.gt(x, f32x4.splat(0)));
  if (kind == GELU) return geluSlope(x);
  if (kind == GELU_TANH) return geluTanhSlope(x);
  if (kind == SILU) return siluSlope(x);
  if (kind == TANH) {
    const t = tanhLanes(x);
    return f32x4.sub(unit, f32x4.mul(t, t));
  }
  if (kind == SIGMOID) {
    const s = sigmoidLanes(x);
    return f32x4.mul(s, f32x4.sub(unit, s));
  }
  if (kind == EXP) return expLanes(x);
  if (kind == SQUARE) return f32x4.add(x, x);
  if (kind == NEGATE) return f32x4.splat(-1);
  if (kind == ERF) return f32x4.mul(f32x4.splat(1.1283791670955126), expLanes(f32x4.neg(f32x4.mul(x, x)))); // 2/√π·e^(−x²)
  if (kind == SQRT) return f32x4.div(f32x4.splat(0.5), f32x4.sqrt(x));
  if (kind == RSQRT) return f32x4.div(f32x4.div(f32x4.splat(-0.5), x), f32x4.sqrt(x));
  if (kind == RECIPROCAL) return f32x4.div(f32x4.div(f32x4.splat(-1), x), x);
  if (kind == LOG) return f32x4.div(unit, x);
  if (kind == COS) return f32x4.neg(sinLanes(x, 0));
  if (kind == SIN) return sinLanes(x, 1);
  const sign = v128.bitselect(x, unit, i32x4.splat(0x80000000)); // ABS: 0 and NaN are their own slopes
  return v128.bitselect(sign, x, f32x4.gt(f32x4.abs(x), f32x4.splat(0)));
}

/** dx = slope(x) · dy. The costly kinds two vectors at a time, as in `activateAll`. */
export function unaryBackward(kind: i32, x: usize, dy: usize, dx: usize, n: i32): void {
  let i = 0;
  const pairs = n & ~7;
  if (kind == GELU) {
    for (; i < pairs; i += 8) {
      const at = <usize>i << 2, a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = f32x4.mul(geluSlope(a), v128.load(dy + at)), fb = f32x4.mul(geluSlope(b), v128.load(dy + at, 16));
      v128.store(dx + at, fa);
      v128.store(dx + at, fb, 16);
    }
  } else if (kind == GELU_TANH) {
    for (; i < pairs; i += 8) {
      const at = <usize>i << 2, a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = f32x4.mul(geluTanhSlope(a), v128.load(dy + at)), fb = f32x4.mul(geluTanhSlope(b), v128.load(dy + at, 16));
      v128.store(dx + at, fa);
      v128.store(dx + at, fb, 16);
    }
  } else if (kind == SILU) {
    for (; i < pairs; i += 8) {
      const at = <usize>i << 2, a = v128.load(x + at), b = v128.load(x + at, 16);
      const fa = f32x4.mul(siluSlope(a), v128.load(dy + at)), fb = f32x4.mul(siluSlope(b), v128.load(dy + at, 16));
      v128.store(dx + at, fa);
      v128.store(dx + at, fb, 16);
    }
  }
  for (; i < n; i += 4) {
    const at = <usize>i << 2;
    const v = f32x4.mul(slope(kind, v128.load(x + at)), v128.load(dy + at));
    if (i + 4 <= n) v128.store(dx + at, v);
    else storePart(dx + at, v, n - i);
  }
}

// @ts-ignore: decorator
@inline function two(kind: i32, a: v128, b: v128): v128 {
  if (kind == 0) return f32x4.add(a, b);
  if (kind == 1) return f32x4.sub(a, b);
  if (kind == 2) return f32x4.mul(a, b);
  if (kind == 3) return f32x4.div(a, b);
  return f32x4.max(a, b);
}

/** y[r, i] = a[r, i] ∘ b[r, i] for `rows` rows of n; a stride (bytes) of 0 repeats a row, `aOne`/`bOne` a single number. */
export function binary(kind: i32, a: usize, aRow: usize, aOne: bool, b: usize, bRow: usize, bOne: bool, y: usize, rows: i32, n: i32): void {
  for (let r = 0; r < rows; r++, a += aRow, b += bRow, y += <usize>n << 2) {
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const v = two(kind, aOne ? v128.load32_splat(a) : v128.load(a + at), bOne ? v128.load32_splat(b) : v128.load(b + at));
      if (i + 4 <= n) v128.store(y + at, v);
      else storePart(y + at, v, n - i);
    }
  }
}

/** y = x·factor + shift; y may be x. */
export function affine(x: usize, y: usize, n: i32, factor: f32, shift: f32): void {
  const f = f32x4.splat(factor), s = f32x4.splat(shift);
  const scaleOnly = shift == 0; // −0·1 + 0 would be +0
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    let v = f32x4.mul(v128.load(x + at), f);
    if (!scaleOnly) v = f32x4.add(v, s);
    if (i + 4 <= n) v128.store(y + at, v);
    else storePart(y + at, v, n - i);
  }
}

/** y += x·factor */
export function addScaled(y: usize, x: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    const v = madd(v128.load(x + at), f, v128.load(y + at));
    if (i + 4 <= n) v128.store(y + at, v);
    else storePart(y + at, v, n - i);
  }
}

/** Σ x² in float64, so that the norm of millions of gradients keeps its digits. */
export function sumOfSquares(x: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const v = v128.load(x + (<usize>i << 2));
    const low = f64x2.promote_low_f32x4(v), high = f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
    s0 = f64x2.add(s0, f64x2.mul(low, low));
    s1 = f64x2.add(s1, f64x2.mul(high, high));
  }
  s0 = f64x2.add(s0, s1);
  let sum = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
  for (; i < n; i++) {
    const v = <f64>load<f32>(x + (<usize>i << 2));
    sum += v * v;
  }
  return sum;
}

/**
 * AdamW on n parameters: m, v move on, p −= rate·decay·p, then p −= rate·m̂/(√v̂ + ε).
 * `stepSize` = rate/(1 − β1^t), `rootShare` = 1/√(1 − β2^t), `keep` = 1 − rate·decay.
 */
export function adamW(p: usize, g: usize, m: usize, v: usize, n: i32, beta1: f32, beta2: f32, epsilon: f32, keep: f32, stepSize: f32, rootShare: f32): void {
  const b1 = f32x4.splat(beta1), c1 = f32x4.splat(<f32>(1.0 - <f64>beta1)), b2 = f32x4.splat(beta2), c2 = f32x4.splat(<f32>(1.0 - <f64>beta2));
  const e = f32x4.splat(epsilon), k = f32x4.splat(keep), s = f32x4.splat(stepSize), q = f32x4.splat(rootShare);
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    const grad = v128.load(g + at);
    const first = f32x4.add(f32x4.mul(v128.load(m + at), b1), f32x4.mul(grad, c1));
    const second = f32x4.add(f32x4.mul(v128.load(v + at), b2), f32x4.mul(f32x4.mul(grad, grad), c2));
    const root = f32x4.add(f32x4.mul(f32x4.sqrt(second), q), e);
    const moved = f32x4.sub(f32x4.mul(v128.load(p + at), k), f32x4.div(f32x4.mul(first, s), root));
    if (i + 4 <= n) {
      v128.store(m + at, first);
      v128.store(v + at, second);
      v128.store(p + at, moved);
    } else {
      storePart(m + at, first, n - i);
      storePart(v + at, second, n - i);
      storePart(p + at, moved, n - i);
    }
  }
}
