/** A map of ten thousand tokens is looked at in parts: what is allocated is counted in bytes, not timed. */
import { expect, test } from "vitest";
import { defaultKernel } from "../kernels/index.js";
import type { WasmKernel } from "../kernels/wasm/wasm-kernel.js";
import { zeros } from "../tensor/index.js";
import { buildTile, headsOf, QkRecord, type QkCall } from "./index.js";

const [L, D, H] = [10_000, 16, 1];
/** Two strips of a million numbers, q and k copied for the kernel, and room for the collector; the map has 400 MB. */
const limit = 64e6;

/** Scores of both signs: near 0 in one run and large in the other, so that both ways to a row’s sum are walked. */
function record(factor: number): QkRecord {
  const x = zeros([1, H, L, D]);
  x.data.forEach((_, i) => {
    x.data[i] = factor * Math.sin(i * 0.37);
  });
  const rule = { perBatch: false, first: new Int32Array(L), end: Int32Array.from({ length: L }, (_, i) => i + 1) };
  const call: QkCall = {
    batch: 1, heads: H, keyHeads: H, queries: L, keys: L, headDim: D, q: headsOf(x), k: headsOf(x), scale: D ** -0.5, rule,
  }; // biome-ignore format: sizes
  const { lse } = defaultKernel().attention({ ...call, v: call.k, valueDim: D });
  return new QkRecord({ kind: "self", layer: 0 }, call, lse);
}

/** The most bytes of arrays and kernel memory beyond what there was, looked at wherever `steps` stops. */
function mostBytes(steps: () => Iterable<unknown>): number {
  const kernel = defaultKernel() as Partial<WasmKernel>; // its memory is none of the process's arrays
  const now = (): number => process.memoryUsage().arrayBuffers + (kernel.capacity ?? 0);
  const before = now();
  let most = 0;
  for (const _ of steps()) most = Math.max(most, now() - before);
  return most;
}

/** What is large stays: collected in the middle of the next count, it would be taken off from that. */
const held: unknown[] = [];

test.each([
  ["scores near 0", 0.5],
  ["row sums too large for float32, summed afresh", 4],
])("parts and tiles of a 10,000-token map cost what they show, never the map: %s", (_, factor) => {
  const r = record(factor);
  const most = mostBytes(function* () {
    const part = r.weights({ head: 0, rows: [9_700, 9_956], columns: [9_000, 9_256] });
    expect(part.shape).toEqual([1, 1, 256, 256]);
    yield part;
    const row = r.weights({ head: 0, rows: [9_999, 10_000] });
    expect(row.data.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
    yield row;
    yield* buildTile(r, { head: 0, level: 0, row: 37, column: 30, pool: "max" });
  });
  expect(most).toBeLessThan(limit);
  // The count sees what is taken: half of the map, 200 MB, is far past the limit.
  const half = mostBytes(function* () {
    held.push(r.weights({ head: 0, rows: [0, L / 2] }));
    yield held.at(-1);
  });
  expect(half).toBeGreaterThan(limit);
});
