import { expect, test } from "vitest";
import { levelFor, nameOf, parentOf, tilesInView } from "./tiles.js";

const frame = (part: object) => ({
  left: 0,
  top: 0,
  row: 0,
  column: 0,
  plotWidth: 700,
  plotHeight: 700,
  fit: 0.07,
  size: 12,
  zoom: 0.07,
  ...part,
});

test("a cell of the level chosen is at least a pixel, and the level below would not be", () => {
  for (const zoom of [0.07, 0.1, 0.25, 0.26, 0.5, 0.9, 1, 3, 30]) {
    const level = levelFor(zoom, 10_000, 10_000);
    expect(2 ** level * zoom).toBeGreaterThanOrEqual(1 - 1e-6);
    if (level > 0) expect(2 ** (level - 1) * zoom).toBeLessThan(1);
  }
});

test("the whole of a causal 10,000 × 10,000 map needs six tiles, none of them in the future", () => {
  const tiles = tilesInView(frame({}), 10_000, 10_000, true);
  expect(new Set(tiles.map(nameOf))).toEqual(new Set(["4/0/0", "4/1/0", "4/1/1", "4/2/0", "4/2/1", "4/2/2"]));
  expect(tilesInView(frame({}), 10_000, 10_000, false)).toHaveLength(9);
});

test("a window of 700 tokens at full size asks for the few tiles under it, its middle first", () => {
  const tiles = tilesInView(frame({ zoom: 1, row: 5000, column: 2000 }), 10_000, 10_000, true);
  expect(tiles.length).toBeLessThanOrEqual(16);
  expect(tiles.every((t) => t.level === 0 && t.row >= 19 && t.row <= 22 && t.column >= 7 && t.column <= 10)).toBe(true);
  expect(parentOf(tiles[0]!)).toEqual({ level: 1, row: tiles[0]!.row >> 1, column: tiles[0]!.column >> 1 });
});
