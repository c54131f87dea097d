/**
 * @file Reformer's hashing without training (arXiv:2001.04451): how often the twin of a query is found, by rounds.
 * Each query has one key equal to it but for its own small noise, somewhere among n; it is found when the query sees it.
 *     node --import jiti/register bench/claims/lsh-recall.ts
 */
import { reformer } from "../../src/attention/efficient/index.js";
import { random } from "../../src/tensor/random.js";
import { tensor } from "../../src/tensor/index.js";
import { type Finding, report } from "./claim.js";

const [n, D, chunkLength] = [1024, 64, 32];
const targets = { 1: 0.71, 2: 0.92, 4: 0.99, 8: 1 } as const;
const r = random(7);
/** Tokens in pairs: positions are shuffled, so a twin may be anywhere. */
const partner = new Int32Array(n);
const shuffled = Array.from({ length: n }, (_, i) => i);
for (let i = n - 1; i > 0; i--) {
  const j = r.below(i + 1);
  [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
}
const noise = 0.1; // cosine of twins 0.99; the recall of one round falls to 0.55 at noise 0.25
const x = new Float32Array(n * D);
for (let p = 0; p < n; p += 2) {
  const [a, b] = [shuffled[p]!, shuffled[p + 1]!];
  partner[a] = b;
  partner[b] = a;
  for (let d = 0; d < D; d++) {
    const shared = r.normal();
    x[a * D + d] = shared + noise * r.normal();
    x[b * D + d] = shared + noise * r.normal();
  }
}
const q = tensor(x, [1, 1, n, D]);
const identity = new Float32Array(n * n);
for (let i = 0; i < n; i++) identity[i * n + i] = 1;
const exact = reformer(q, q, tensor(identity, [1, 1, n, n]), { chunkLength: n });

const findings: Finding[] = Object.entries(targets).map(([rounds, target]) => {
  let [found, mass] = [0, 0];
  const seeds = 4;
  for (let seed = 0; seed < seeds; seed++) {
    const map = reformer(q, q, tensor(identity, [1, 1, n, n]), {
      chunkLength,
      rounds: Number(rounds),
      buckets: 64,
      seed,
    });
    for (let i = 0; i < n; i++) {
      if (map.data[i * n + partner[i]!]! > 0) found++;
      for (let j = 0; j < n; j++) if (map.data[i * n + j]! > 0) mass += exact.data[i * n + j]!;
    }
  }
  const recall = found / (n * seeds);
  return {
    claim: `recall of the twin with ${rounds} round${rounds === "1" ? "" : "s"}`,
    target: target.toFixed(2),
    measured: `${recall.toFixed(3)}; exact weight on keys that are seen ${(mass / (n * seeds)).toFixed(2)}`,
    holds: Math.abs(recall - target) <= 0.05,
  };
});
report(
  "LSH: twin recall by rounds, untrained",
  `n ${n}, D ${D}, chunks of ${chunkLength}, 64 buckets, noise ${noise} on each twin, 4 seeds`,
  findings,
);
