/**
 * @file How cost grows with length: log-log slope of counted multiply-adds, n 256 … 8192. No clock, so no noise.
 *     node --import jiti/register bench/claims/scaling.ts
 */
import {
  bigBird,
  fixed,
  linearAttention,
  linformer,
  longformer,
  performer,
  reformer,
  slidingWindow,
  strided,
} from "../../src/attention/efficient/index.js";
import { digits, type Finding, logSlope, report } from "./claim.js";

const lengths = [256, 512, 1024, 2048, 4096, 8192];
const pairs = (n: number, of: number) => ({ length: n, headDim: of });
const D = 64;
const dense = { window: { left: Infinity, right: Infinity } };
const counted: [name: string, claimed: number, within: number, count: (n: number) => number][] = [
  ["exact attention", 2, 0.001, (n) => slidingWindow.cost(pairs(n, D), dense).multiplyAdds],
  [
    "strided (Child et al. 2019), stride √n",
    1.5,
    0.05,
    (n) => strided.cost(pairs(n, D), { stride: Math.round(Math.sqrt(n)), causal: true }).pairs,
  ],
  [
    "fixed (Child et al. 2019), block √n",
    1.5,
    0.05,
    (n) => fixed.cost(pairs(n, D), { blockSize: Math.round(Math.sqrt(n)), causal: true }).pairs,
  ],
  ["sliding window 32", 1, 0.03, (n) => slidingWindow.cost(pairs(n, D), { window: 32 }).multiplyAdds],
  [
    "Longformer, window 32, 1 global token",
    1,
    0.03,
    (n) => longformer.cost(pairs(n, D), { window: 32, globalTokens: [0] }).multiplyAdds,
  ],
  ["BigBird, blocks of 16, 3 random", 1, 0.05, (n) => bigBird.cost(pairs(n, D), { blockSize: 16 }).multiplyAdds],
  ["Linformer, rank 64", 1, 0.001, (n) => linformer.cost(pairs(n, D), { rank: 64 }).multiplyAdds],
  ["Performer, 64 features", 1, 0.001, (n) => performer.cost(pairs(n, D), { features: 64 }).multiplyAdds],
  ["linear attention", 1, 0.001, (n) => linearAttention.cost(pairs(n, D)).multiplyAdds],
  [
    "LSH (Kitaev et al. 2020), chunk 64, hashing into 2n/64 buckets",
    1.14,
    0.2,
    (n) => reformer.cost(pairs(n, D), { chunkLength: 64, rounds: 1 }).multiplyAdds,
  ],
];
const findings: Finding[] = counted.map(([name, claimed, within, count]) => {
  const slope = logSlope(lengths.map((n) => [n, count(n)]));
  return {
    claim: `cost of ${name} grows like n^${claimed}`,
    target: claimed.toFixed(2),
    measured: `${digits(slope, 3)}; at n = 8192 ${count(8192).toExponential(2)} multiply-adds or pairs`,
    holds: Math.abs(slope - claimed) <= within,
  };
});
report(
  "Scaling exponents by counted operations",
  `n = ${lengths.join(", ")}; 1 head of ${D}; counted by the code that runs`,
  findings,
);
