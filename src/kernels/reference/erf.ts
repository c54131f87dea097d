/**
 * @file The error function to float64 accuracy; JavaScript has none.
 *     erf(x) = 2/√π ∫₀ˣ e^(−t²) dt
 * Taylor polynomials about every multiple of 1/16 up to 6; erf(6) is 1 to the last bit. From the nearest centre a no
 * step is longer than 1/32, so eleven terms leave an error below 1e-17.
 * With g(a + u) = e^(−(a+u)²) = Σ gₙuⁿ, g′ = −2(a + u)g gives (n + 1)·gₙ₊₁ = −2(a·gₙ + gₙ₋₁), and erf integrates g.
 */
const STEP = 1 / 16;
const END = 6;
const TERMS = 12;
const table = /* @__PURE__ */ makeTable();

function makeTable(): Float64Array {
  const out = new Float64Array((END / STEP + 1) * TERMS);
  for (let c = 0; c * STEP <= END; c++) {
    const a = c * STEP;
    const at = c * TERMS;
    out[at] = a === 0 ? 0 : a < 3 ? series(a) : 1 - continuedFraction(a);
    let [before, g] = [0, Math.exp(-a * a)]; // gₙ₋₁, gₙ
    for (let n = 0; n + 1 < TERMS; n++) {
      out[at + n + 1] = ((2 / Math.sqrt(Math.PI)) * g) / (n + 1);
      [before, g] = [g, (-2 * (a * g + before)) / (n + 1)];
    }
  }
  return out;
}

/** erf(a) = 2/√π · e^(−a²) · Σ 2ⁿ a^(2n+1) / (1·3·5…(2n+1)): every term positive, nothing cancels. */
function series(a: number): number {
  let [term, sum] = [a, a];
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

/** 1 − erf(a) = e^(−a²)/√π · 1/(a + ½/(a + 1/(a + 3⁄2/(a + …)))), for a ≥ 3. */
function continuedFraction(a: number): number {
  let f = a;
  for (let n = 100; n >= 1; n--) f = a + n / 2 / f;
  return Math.exp(-a * a) / Math.sqrt(Math.PI) / f;
}

export function erf(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x; // keeps the sign of −0
  const size = Math.abs(x);
  if (size >= END) return Math.sign(x);
  const c = Math.round(size / STEP);
  const u = size - c * STEP;
  let y = table[c * TERMS + TERMS - 1];
  for (let n = TERMS - 2; n >= 0; n--) y = y * u + table[c * TERMS + n];
  return x < 0 ? -y : y;
}
