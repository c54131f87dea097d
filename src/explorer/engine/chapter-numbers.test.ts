/** @file What chapters say in words holds for the numbers that they show. */
import { expect, test } from "vitest";
import { loadModel } from "../../models/index.js";
import { normals } from "../../tensor/random.js";
import type { RestingShown, ScaleShown } from "./chapter-numbers.js";
import { Engine } from "./engine.js";
import { modelSource } from "./models.js";
import type { SlopesShown } from "./sequence.js";

const engine = new Engine([
  async () => [
    modelSource({ id: "bundled", name: "Bundled", says: "", source: "bundled", runs: true }, () =>
      loadModel("bundled"),
    ),
  ],
]);
const text = "The whale rose, and the sea rose with the whale; the ship turned, and the sea";
const scaleOf = (keys: number, sizes: number[]) => engine.lab("scale", { keys, sizes }) as Promise<ScaleShown>;

test("without 1/√d the largest of 64 keys gets more than nine tenths at d = 1024, with it a tenth at every d", async () => {
  const { rows } = await scaleOf(64, [16, 64, 256, 1024]);
  for (const r of rows) {
    expect(r.spread / Math.sqrt(r.size)).toBeCloseTo(1, 1);
    expect(r.top[1]).toBeGreaterThan(0.09);
    expect(r.top[1]).toBeLessThan(0.13);
  }
  expect(rows.at(-1)!.top[0]).toBeGreaterThan(0.9);
  // The larger d, the sharper the bare softmax and the less of a slope passes; divided, both stay.
  for (const [a, b] of rows.slice(1).map((r, n) => [rows[n]!, r] as const)) {
    expect(b.top[0]).toBeGreaterThan(a.top[0]);
    expect(b.slope[0]).toBeLessThan(a.slope[0]);
  }
  expect(rows.at(-1)!.slope[1] / rows.at(-1)!.slope[0]).toBeGreaterThan(10);
});

test("untrained, an RNN passes less than a ten-thousandth of a slope across 24 tokens; attention's reaches all of them alike", async () => {
  const { models } = (await engine.lab("slopes", { distance: 24 })) as SlopesShown;
  const passed = (name: string): number => {
    const { slopes } = models.find((m) => m.model === name)!;
    expect(slopes.map((s) => s.distance)).toEqual(Array.from({ length: 24 }, (_, n) => n + 1));
    return slopes.at(-1)!.value / slopes[0]!.value;
  };
  expect(passed("rnn")).toBeLessThan(1e-4);
  expect(passed("lstm")).toBeLessThan(1e-2); // its gate stands half open before it has learned
  expect(passed("attention")).toBeGreaterThan(0.1);
});

test("the slope of two keys is 2·p·(1 − p)", async () => {
  const [size, n] = [8, 200];
  const [q, k] = [normals(1, n * size), normals(2, 2 * size)];
  const slopes = Array.from({ length: n }, (_, i) => {
    let gap = 0;
    for (let d = 0; d < size; d++) gap += q[i * size + d]! * (k[d]! - k[size + d]!);
    const p = 1 / (1 + Math.exp(-gap));
    return 2 * p * (1 - p);
  }).sort((a, b) => a - b);
  expect((await scaleOf(2, [size])).rows[0]!.slope[0]).toBeCloseTo(slopes[n / 2]!, 10);
});

test("the first column of each head is counted from its map; a silenced head usually changes little, and some change much", async () => {
  const run = await engine.run({ model: "bundled", text, edits: [] });
  const { heads } = (await engine.lab("resting", { run: run.id, kind: "self" })) as RestingShown;
  expect(heads).toHaveLength(24);
  const L = run.kinds[0]!.queries;
  let sum = 0;
  for (let query = 4; query < L; query++)
    sum += (await engine.row({ run: run.id, kind: "self", layer: 3, head: 3, query }))[0]!;
  expect(heads.find((h) => h.layer === 3 && h.head === 3)!.first).toBeCloseTo(sum / (L - 4), 6);
  for (const h of heads) expect(h.weighed).toBeGreaterThanOrEqual(0);
  const sweep = (await engine.sweep({ run: run.id, output: "zero" })).map((r) => r.kl).sort((a, b) => a - b);
  expect(sweep[12]).toBeLessThan(0.1);
  expect(sweep.at(-1)).toBeGreaterThan(0.5);
});
