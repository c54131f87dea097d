/**
 * @file How far a token's news travels through layers of a pattern: an exact graph test of Longformer's and BigBird's
 * receptive fields (arXiv:2004.05150 §3.1, arXiv:2007.14062 §3). The graph is read off the mechanism's own maps.
 *     node --import jiti/register bench/claims/reach.ts
 */
import { bigBird, longformer, slidingWindow } from "../../src/attention/efficient/index.js";
import { type Tensor, tensor } from "../../src/tensor/index.js";
import { type Finding, report } from "./claim.js";

const n = 256;
const zeros = tensor(new Float32Array(n * 4), [1, 1, n, 4]);
const eye = tensor(
  Float32Array.from({ length: n * n }, (_, at) => (at % n === Math.floor(at / n) ? 1 : 0)),
  [1, 1, n, n],
);

/** Layers until every token has heard of every other; Infinity where it never happens. */
function layersToReachAll(map: Tensor): number {
  const sees = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => j).filter((j) => map.data[i * n + j]! > 0),
  );
  let heard = Array.from({ length: n }, (_, i) => new Set([i]));
  for (let layer = 1; layer <= n; layer++) {
    const next = sees.map((keys) => new Set(keys.flatMap((j) => [...heard[j]!])));
    if (next.every((set) => set.size === n)) return layer;
    if (next.every((set, i) => set.size === heard[i]!.size)) return Infinity;
    heard = next;
  }
  return Infinity;
}

const w = 8;
const window = layersToReachAll(slidingWindow(zeros, zeros, eye, { window: w }));
const global = layersToReachAll(longformer(zeros, zeros, eye, { window: w, globalTokens: [0] }));
const big = layersToReachAll(bigBird(zeros, zeros, eye, { blockSize: 8, randomBlocks: 1 }));
const findings: Finding[] = [
  {
    claim: `a window of ${w} alone reaches layers·${w} tokens`,
    target: `${Math.ceil((n - 1) / w)} layers for ${n} tokens`,
    measured: `${window} layers`,
    holds: window === Math.ceil((n - 1) / w),
  },
  {
    claim: "one global token makes it two hops",
    target: "2 layers",
    measured: `${global} layers`,
    holds: global === 2,
  },
  {
    claim: "BigBird, whose first and last blocks are global",
    target: "2 layers",
    measured: `${big} layers`,
    holds: big === 2,
  },
];
report(
  "Reach: who can have heard of whom after how many layers",
  `n ${n}; edges read off each mechanism's map`,
  findings,
);
