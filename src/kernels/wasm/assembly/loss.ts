/** @file Softmax cross-entropy, row by row: what a row costs, and the slope of its logits. */
import { exponentials, maxRow, put, sumRow } from "./rows";

/**
 * One row: ln Σ e^x − (1 − smoothing)·x[label] − smoothing·mean x, as float64. With `dx`, also its slope times `factor`:
 * softmax(x) − (1 − smoothing) at the label − smoothing/n everywhere.
 */
function entropyOf(x: usize, n: i32, label: i32, smoothing: f64, dx: usize, factor: f32): f64 {
  const top = maxRow(x, n);
  const sum = exponentials(x, n, top, dx);
  if (dx) {
    const share = f32x4.splat(factor / sum), even = f32x4.splat(<f32>(<f64>factor * smoothing / <f64>n));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      put(dx + at, f32x4.sub(f32x4.mul(v128.load(dx + at), share), even), n - i);
    }
    const at = dx + (<usize>label << 2);
    store<f32>(at, load<f32>(at) - <f32>(<f64>factor * (1 - smoothing)));
  }
  const target = (1 - smoothing) * <f64>load<f32>(x + (<usize>label << 2));
  return <f64>top + Math.log(<f64>sum) - target - (smoothing == 0 ? 0 : smoothing * <f64>sumRow(x, n) / <f64>n);
}

/** Rows [from, to): `losses` (float64, or 0) takes what each costs, `dx` (or 0) the slopes; both 0 where the label is `ignore`. */
export function crossEntropy(x: usize, labels: usize, ignore: i32, smoothing: f64, losses: usize, dx: usize, factor: f32, from: i32, to: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (let r = from; r < to; r++) {
    const label = load<i32>(labels + (<usize>r << 2));
    const out = dx ? dx + <usize>r * bytes : 0;
    let loss = 0.0;
    if (label == ignore) {
      if (out) memory.fill(out, 0, bytes);
    } else loss = entropyOf(x + <usize>r * bytes, n, label, smoothing, out, factor);
    if (losses) store<f64>(losses + (<usize>r << 3), loss);
  }
}
