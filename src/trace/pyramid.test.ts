import { expect, test } from "vitest";
import { tensor } from "../tensor/index.js";
import { buildTile, MapRecord, poolBlocks, thumbnail, tileSize, topLevel } from "./index.js";

const run = <T>(steps: Generator<unknown, T>): T => {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
};
const N = Number.NaN;

test("pooling by maximum keeps a lone spike, by mean keeps the mass, and absent pairs stay out of both", () => {
  const map = [0.5, N, 0, 0.25, 0.5, 0, N, N, 0.1];
  expect([...poolBlocks(map, 3, 3, 2, "max")]).toEqual([0.5, 0, N, Math.fround(0.1)]);
  expect([...poolBlocks(map, 3, 3, 2, "mean")].map((x) => Math.round(x * 1e4) / 1e4)).toEqual([0.4167, 0, N, 0.1]);
});

test("a thumbnail of a 10,000-key row still shows one cell of 0.9", () => {
  const map = new Float32Array(4 * 10_000);
  map[2 * 10_000 + 7_777] = 0.9;
  expect(Math.max(...thumbnail(map, 4, 10_000, 32).values)).toBeCloseTo(0.9, 6);
});

test("tiles of every level agree with pooling the whole map, ragged ends included", () => {
  const [Lq, Lk] = [700, 611];
  const values = Float32Array.from({ length: Lq * Lk }, (_, n) => ((n * 2654435761) % 1009) / 1009);
  const record = new MapRecord({ kind: "self", layer: 0 }, tensor(values, [1, 1, Lq, Lk]));
  expect(topLevel(Lq, Lk)).toBe(2);
  for (const level of [0, 1, 2]) {
    const whole = poolBlocks(values, Lq, Lk, 2 ** level, "max");
    const width = Math.ceil(Lk / 2 ** level);
    const tiles = Math.ceil(700 / 2 ** level / tileSize);
    for (let row = 0; row < tiles; row++) {
      for (let column = 0; column < Math.ceil(width / tileSize); column++) {
        const tile = run(buildTile(record, { head: 0, level, row, column, pool: "max" }));
        for (let i = 0; i < tile.rows; i += 37) {
          for (let j = 0; j < tile.columns; j += 29) {
            const want = whole[(row * tileSize + i) * width + column * tileSize + j];
            expect(tile.values[i * tile.columns + j]).toBe(want);
          }
        }
      }
    }
  }
});
