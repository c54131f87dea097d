/**
 * @file What works along a row: norms, softmax, rotation, and their slopes.
 *
 * Lanes run along the row, four partial sums each, so a row of n numbers sums in chains of n/4: nearer to float64 than a
 * plain float32 loop. Rows [from, to) of x [rows, n], contiguous. Weights and biases of address 0 are absent.
 */
import { expLanes, madd, maxLanes, storePart, sumLanes } from "./simd";

/** The first `left` lanes of v, others 0; all when left ≥ 4. */
// @ts-ignore: decorator
@inline export function keep(v: v128, left: i32): v128 {
  return left >= 4 ? v : v128.and(v, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(left)));
}

// @ts-ignore: decorator
@inline export function put(at: usize, v: v128, left: i32): void {
  if (left >= 4) v128.store(at, v);
  else storePart(at, v, left);
}

export function sumRow(x: usize, n: i32): f32 {
  let s = f32x4.splat(0);
  for (let i = 0; i < n; i += 4) s = f32x4.add(s, keep(v128.load(x + (<usize>i << 2)), n - i));
  return sumLanes(s);
}

/** Σ (x − shift)² */
function squaresRow(x: usize, n: i32, shift: f32): f32 {
  const m = f32x4.splat(shift);
  let s = f32x4.splat(0);
  for (let i = 0; i < n; i += 4) {
    const d = keep(f32x4.sub(v128.load(x + (<usize>i << 2)), m), n - i);
    s = madd(d, d, s);
  }
  return sumLanes(s);
}

// @ts-ignore: decorator
@inline function reciprocalRoot(variance: f32, epsilon: f64): f32 {
  return <f32>(1.0 / Math.sqrt(<f64>variance + epsilon));
}

/** `centred`: LayerNorm; else RMSNorm. */
export function norm(centred: bool, x: usize, weight: usize, bias: usize, epsilon: f64, y: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const row = x + <usize>r * bytes, out = y + <usize>r * bytes;
    const mean: f32 = centred ? sumRow(row, n) / <f32>n : 0;
    const m = f32x4.splat(mean), s = f32x4.splat(reciprocalRoot(squaresRow(row, n, mean) / <f32>n, epsilon));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      let v = f32x4.mul(f32x4.sub(v128.load(row + at), m), s);
      if (weight) v = f32x4.mul(v, v128.load(weight + at));
      if (bias) v = f32x4.add(v, v128.load(bias + at));
      put(out + at, v, n - i);
    }
  }
}

/**
 * Slope of a norm, rows [from, to). With x̂ = (x − mean)·s and g = dy·weight:
 *     dx = s·(g − mean g − x̂·mean(g·x̂))     RMSNorm: without mean g
 *     sums [n] = Σ dy·x̂ over these rows, and `apart` bytes on Σ dy: whoever cuts the rows adds up what they give
 */
export function normBackward(centred: bool, x: usize, weight: usize, epsilon: f64, dy: usize, dx: usize, sums: usize, apart: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  const dWeight = sums, dBias = sums + apart;
  memory.fill(dWeight, 0, bytes);
  memory.fill(dBias, 0, bytes);
  for (let r = from; r < to; r++) {
    const row = x + <usize>r * bytes, slope = dy + <usize>r * bytes, out = dx + <usize>r * bytes;
    const mean: f32 = centred ? sumRow(row, n) / <f32>n : 0;
    const m = f32x4.splat(mean), s = f32x4.splat(reciprocalRoot(squaresRow(row, n, mean) / <f32>n, epsilon));
    let sumG = f32x4.splat(0), sumGX = f32x4.splat(0);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const hat = keep(f32x4.mul(f32x4.sub(v128.load(row + at), m), s), n - i);
      const d = keep(v128.load(slope + at), n - i);
      const g = weight ? keep(f32x4.mul(d, v128.load(weight + at)), n - i) : d;
      sumG = f32x4.add(sumG, g);
      sumGX = madd(g, hat, sumGX);
      put(dWeight + at, madd(d, hat, v128.load(dWeight + at)), n - i);
      put(dBias + at, f32x4.add(d, v128.load(dBias + at)), n - i);
    }
    const meanG = f32x4.splat(centred ? sumLanes(sumG) / <f32>n : 0), meanGX = f32x4.splat(sumLanes(sumGX) / <f32>n);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const hat = f32x4.mul(f32x4.sub(v128.load(row + at), m), s);
      const g = weight ? f32x4.mul(v128.load(slope + at), v128.load(weight + at)) : v128.load(slope + at);
      put(out + at, f32x4.mul(s, f32x4.sub(f32x4.sub(g, meanG), f32x4.mul(hat, meanGX))), n - i);
    }
  }
}

/** The largest of a row; NaN when one is NaN. */
export function maxRow(x: usize, n: i32): f32 {
  let m = f32x4.splat(-Infinity);
  let i = 0;
  for (; i + 4 <= n; i += 4) m = f32x4.max(m, v128.load(x + (<usize>i << 2)));
  let top = maxLanes(m);
  for (; i < n; i++) top = max(top, load<f32>(x + (<usize>i << 2)));
  return top;
}

/** Σ e^(x − top), stored in y on the way unless y is 0. */
export function exponentials(x: usize, n: i32, top: f32, y: usize): f32 {
  const t = f32x4.splat(top);
  let s = f32x4.splat(0);
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    const e = keep(expLanes(f32x4.sub(v128.load(x + at), t)), n - i);
    s = f32x4.add(s, e);
    if (y) put(y + at, e, n - i);
  }
  return sumLanes(s);
}

export function softmax(x: usize, y: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const row = x + <usize>r * bytes, out = y + <usize>r * bytes;
    const share = f32x4.splat(1 / exponentials(row, n, maxRow(row, n), out));
    for (let i = 0; i < n; i += 4) put(out + (<usize>i << 2), f32x4.mul(v128.load(out + (<usize>i << 2)), share), n - i);
  }
}

export function logSoftmax(x: usize, y: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const row = x + <usize>r * bytes, out = y + <usize>r * bytes;
    const top = maxRow(row, n);
    const t = f32x4.splat(top), l = f32x4.splat(<f32>Math.log(<f64>exponentials(row, n, top, 0)));
    for (let i = 0; i < n; i += 4) put(out + (<usize>i << 2), f32x4.sub(f32x4.sub(v128.load(row + (<usize>i << 2)), t), l), n - i);
  }
}

/** dx = y·(dy − Σ y·dy), from the softmax itself. */
export function softmaxBackward(y: usize, dy: usize, dx: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const row = y + <usize>r * bytes, slope = dy + <usize>r * bytes, out = dx + <usize>r * bytes;
    let s = f32x4.splat(0);
    for (let i = 0; i < n; i += 4) s = madd(keep(v128.load(row + (<usize>i << 2)), n - i), keep(v128.load(slope + (<usize>i << 2)), n - i), s);
    const sum = f32x4.splat(sumLanes(s));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      put(out + at, f32x4.mul(v128.load(row + at), f32x4.sub(v128.load(slope + at), sum)), n - i);
    }
  }
}

/** dx = dy − e^y·Σ dy, from the logarithm of the softmax itself. */
export function logSoftmaxBackward(y: usize, dy: usize, dx: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const row = y + <usize>r * bytes, slope = dy + <usize>r * bytes, out = dx + <usize>r * bytes;
    const sum = f32x4.splat(sumRow(slope, n));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      put(out + at, f32x4.sub(v128.load(slope + at), f32x4.mul(expLanes(v128.load(row + at)), sum)), n - i);
    }
  }
}

/** y[r, i] = x[r, i] turned by the angles of table row positions[r]; numbers past `dim` pass. */
export function rotary(x: usize, cos: usize, sin: usize, positions: usize, interleaved: bool, dim: i32, y: usize, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  const half = dim >> 1;
  for (let r = from; r < to; r++) {
    const row = x + <usize>r * bytes, out = y + <usize>r * bytes;
    const angle = (<usize>load<i32>(positions + (<usize>r << 2)) * half) << 2;
    const c = cos + angle, s = sin + angle;
    if (dim < n) memory.copy(out + (<usize>dim << 2), row + (<usize>dim << 2), <usize>(n - dim) << 2);
    let i = 0;
    if (!interleaved) {
      for (; i + 4 <= half; i += 4) {
        const at = <usize>i << 2, there = <usize>(i + half) << 2;
        const a = v128.load(row + at), b = v128.load(row + there), cc = v128.load(c + at), ss = v128.load(s + at);
        v128.store(out + at, f32x4.sub(f32x4.mul(a, cc), f32x4.mul(b, ss)));
        v128.store(out + there, f32x4.add(f32x4.mul(b, cc), f32x4.mul(a, ss)));
      }
    }
    for (; i < half; i++) {
      const p = <usize>(interleaved ? 2 * i : i) << 2, q = <usize>(interleaved ? 2 * i + 1 : i + half) << 2;
      const a = load<f32>(row + p), b = load<f32>(row + q), cc = load<f32>(c + (<usize>i << 2)), ss = load<f32>(s + (<usize>i << 2));
      store<f32>(out + p, a * cc - b * ss);
      store<f32>(out + q, b * cc + a * ss);
    }
  }
}
