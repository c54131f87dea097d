/**
 * @file Linformer (arXiv:2006.04768): what a random projection costs, and the ratio of operations n/k.
 *     node --import jiti/register bench/claims/linformer-error.ts
 */
import { linformer, slidingWindow } from "../../src/attention/efficient/index.js";
import { normals } from "../../src/tensor/random.js";
import { attention } from "../../src/attention/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { digits, type Finding, logSlope, report } from "./claim.js";

const [n, D] = [1024, 64];
const normal = (seed: number, rows: number, columns: number, deviation = 1) =>
  tensor(normals(seed, rows * columns, deviation), [rows, columns]);
const norm = (x: Tensor) => Math.sqrt(x.data.reduce((s, y) => s + y * y, 0));

/** A row-stochastic map as typical q, k give it, times v: what E, F with E Fᵀ ≈ I would keep. */
const [q, k, v] = [normal(1, n, D), normal(2, n, D), normal(3, n, D)];
const exact = attention(q, k, v);
const ranks = [32, 64, 128, 256, 512];
const errors = ranks.map((r) => {
  // Keys exact, values projected and brought back: P·(F Fᵀ v), the error a random F alone makes (Johnson–Lindenstrauss).
  let sum = 0;
  const trials = 4;
  for (let trial = 0; trial < trials; trial++) {
    const F = normal(10 + trial, n, r, 1 / Math.sqrt(r));
    const mixed = new Float32Array(n * D); // F Fᵀ v
    const down = new Float32Array(r * D);
    for (let i = 0; i < n; i++)
      for (let c = 0; c < r; c++)
        for (let d = 0; d < D; d++) down[c * D + d]! += F.data[i * r + c]! * v.data[i * D + d]!;
    for (let i = 0; i < n; i++)
      for (let c = 0; c < r; c++)
        for (let d = 0; d < D; d++) mixed[i * D + d]! += F.data[i * r + c]! * down[c * D + d]!;
    const out = attention(q, k, tensor(mixed, [n, D]));
    sum +=
      norm(
        tensor(
          out.data.map((x, at) => x - exact.data[at]!),
          [n, D],
        ),
      ) / norm(exact);
  }
  return sum / trials;
});
const targets = [5.6, 4.1, 2.8, 2.0, 1.5];
const slope = logSlope(ranks.map((r, i) => [r, errors[i]!]));
const findings: Finding[] = ranks.map((r, i) => ({
  claim: `a random projection of rank ${r} errs by √(n/k) of the output`,
  target: `${targets[i]} (√(n/k) = ${digits(Math.sqrt(n / r), 3)})`,
  measured: digits(errors[i]!, 3),
  holds: Math.abs(errors[i]! / Math.sqrt(n / r) - 1) < 0.15,
}));
findings.push({
  claim: "the error falls like k^−½",
  target: "−0.50",
  measured: digits(slope, 3),
  holds: Math.abs(slope + 0.5) < 0.05,
});
for (const [length, rank] of [
  [512, 128],
  [4096, 128],
  [65536, 128],
] as const) {
  const dense = slidingWindow.cost({ length, headDim: D }, { window: Infinity }).multiplyAdds;
  const low = linformer.cost({ length, headDim: D }, { rank }).multiplyAdds;
  findings.push({
    claim: `n ${length}, k ${rank}: multiply-adds fall by half of n/k, since projecting k and v costs what attending to them does`,
    target: `${length / rank / 2}×`,
    measured: `${digits(dense / low, 3)}×`,
    holds: Math.abs(dense / low / (length / rank / 2) - 1) < 0.01,
  });
}
report(
  "Linformer: error of an untrained projection, and what it saves",
  `n ${n}, D ${D}, normal q, k, v, 4 projections each`,
  findings,
);
