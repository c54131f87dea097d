import { expect, test } from "vitest";
import { gradient } from "../../autograd/index.js";
import { float64Tensor, referenceKernel, withOperations } from "../../kernels/index.js";
import type { Tensor } from "../../tensor/index.js";
import {
  bigBird,
  fixed,
  linearAttention,
  linformer,
  longformer,
  performer,
  reformer,
  slidingWindow,
  streaming,
  strided,
  topKBlocks,
} from "./index.js";
import { normals } from "../../tensor/random.js";

const float64 = referenceKernel({ precision: "float64" });
const L = 7;
const normal = (seed: number, ...shape: number[]) => float64Tensor(normals(seed, shape.reduce((n, d) => n * d, 1)), shape); // biome-ignore format: one line

/** h = 1e-5: the difference is off by h²/6·f‴ + ε/h, 1e-10 here, so 1e-7 is a real test that leaves room for large f‴. */
const h = 1e-5;
const tolerance = 1e-7;

/** Slopes of Σ output·w by the recorder equal central differences, for every number of every input. */
function slopesHold(name: string, run: (...inputs: Tensor[]) => Tensor, shapes: number[][]): void {
  test(`${name}: slopes equal central differences`, () =>
    withOperations(float64, () => {
      const inputs = shapes.map((shape, n) => normal(n + 1, ...shape));
      const w = normal(99, ...run(...inputs).shape);
      const value = () => run(...inputs).data.reduce((sum, y, n) => sum + y * w.data[n]!, 0);
      const slopes = gradient(run, inputs, w).inputs;
      for (const [at, x] of inputs.entries()) {
        for (let n = 0; n < x.size; n++) {
          const kept = x.data[n]!;
          x.data[n] = kept + h;
          const up = value();
          x.data[n] = kept - h;
          const down = value();
          x.data[n] = kept;
          const want = (up - down) / (2 * h);
          expect(
            Math.abs(slopes[at]!.data[n]! - want),
            `input ${at}, number ${n}: ${slopes[at]!.data[n]} for ${want}`,
          ).toBeLessThan(tolerance * Math.max(1, Math.abs(want)));
        }
      }
    }));
}

const [q, k, v] = [
  [1, 4, L, 4],
  [1, 2, L, 4],
  [1, 2, L, 3],
]; // grouped heads
const all = [q!, k!, v!];
const equal = [
  [1, 2, L, 4],
  [1, 2, L, 4],
  [1, 2, L, 3],
];
const keyLengths = [L - 1];

slopesHold("slidingWindow", (a, b, c) => slidingWindow(a!, b!, c!, { window: { left: 2, right: 1 }, keyLengths }), all);
slopesHold("strided", (a, b, c) => strided(a!, b!, c!, { stride: 3 }), all);
slopesHold("strided, causal", (a, b, c) => strided(a!, b!, c!, { stride: 2, causal: true }), all);
slopesHold("fixed", (a, b, c) => fixed(a!, b!, c!, { blockSize: 3, causal: true }), all);
slopesHold("longformer with global projections", (a, b, c, d, e, f) => longformer(a!, b!, c!, { window: 1, dilation: [1, 1, 2, 2], globalTokens: [0, 3], globalQuery: d!, globalKey: e!, globalValue: f!, keyLengths }), [...all, ...all]); // biome-ignore format: one line a mechanism
slopesHold("bigBird, counting repeats", (a, b, c) => bigBird(a!, b!, c!, { blockSize: 2, randomBlocks: { data: new Int32Array(8), shape: [4, 2, 1] }, repeatedBlocks: "count" }), all); // biome-ignore format: one line a mechanism
slopesHold(
  "reformer, hashed and causal",
  (a, c) => reformer(a!, a!, c!, { chunkLength: 3, rounds: 2, buckets: 4, causal: true }),
  [equal[0]!, equal[2]!],
);
slopesHold(
  "reformer, local",
  (a, b, c) => reformer(a!, b!, c!, { chunkLength: 3, hashing: false, chunksAfter: 1 }),
  all,
);
slopesHold("linformer and its projection", (a, b, c, e) => linformer(a!, b!, c!, { projectK: e!, keyLengths }), [
  ...all,
  [L, 3],
]);
slopesHold("performer", (a, b, c, e) => performer(a!, b!, c!, { projection: e!, keyLengths }), [...all, [5, 4]]);
slopesHold("performer, hyperbolic", (a, b, c) => performer(a!, b!, c!, { features: 3, featureMap: "hyperbolic" }), all);
slopesHold(
  "performer, causal relu",
  (a, b, c) => performer(a!, b!, c!, { features: 5, kernel: "relu", causal: true, chunk: 3 }),
  all,
);
slopesHold("linearAttention", (a, b, c) => linearAttention(a!, b!, c!), all);
slopesHold("linearAttention, causal", (a, b, c) => linearAttention(a!, b!, c!, { causal: true, chunk: 3 }), all);
slopesHold("linearAttention, softmax kernel", (a, b, c) => linearAttention(a!, b!, c!, { kernel: "softmax" }), all);
for (const form of ["recurrent", "chunked", "parallel"] as const) {
  slopesHold(`linearAttention, gated delta, ${form}`, (a, b, c, g, s) => linearAttention(a!, b!, c!, { rule: "gated_delta", form, chunk: 3, decay: g!, beta: s! }), [...equal, [1, 2, L], [1, 2, L]]); // biome-ignore format: one line a mechanism
}
slopesHold(
  "linearAttention, gated per row of the state",
  (a, b, c, g) => linearAttention(a!, b!, c!, { rule: "gated", chunk: 3, decay: g! }),
  [...equal, [1, 2, L, 4]],
);
slopesHold(
  "streaming with rotary positions",
  (a, b, c) => streaming(a!, b!, c!, { sinks: 1, window: 3, rotary: {} }),
  all,
);
slopesHold("topKBlocks", (a, b, c) => topKBlocks(a!, b!, c!, { blockSize: 2, topK: 2, causal: true }), all);
