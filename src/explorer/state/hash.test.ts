import fc from "fast-check";
import { expect, test } from "vitest";
import { longestText, startChoice } from "./choice.js";
import { copyOf, readHash, readLink, writeHash, writeLink } from "./hash.js";

test("the start has the shortest link", () => {
  expect(writeHash(startChoice)).toBe("v=1");
  expect(readHash("")).toEqual(startChoice);
});

test("every field survives the way into a link and back", () => {
  const choice = {
    ...copyOf(startChoice), page: "chapters", text: "Ünïcode & 語 #?=\n‮", model: "server:1", view: "map", kind: "cross" as const, layer: 11,
    head: 7, heads: [0, 3, 11], query: 4, key: 2, filter: { hideSpecial: true, hideFirst: true, renormalise: true, words: true },
    weighted: true, least: 0.25, scale: "cividis" as const, transform: "log" as const, pool: "mean" as const, theme: "dark" as const,
    camera: { row: 12.5, column: 3.25, zoom: 8 }, edits: [{ layer: 1, head: 2, output: "zero" as const }], extra: { other: "a & b" },
  }; // biome-ignore format: a table
  expect(readHash(writeHash(choice))).toEqual(choice);
});

test("a long text travels deflated and comes back", async () => {
  const choice = { ...copyOf(startChoice), text: "the sea rose with the whale; ".repeat(400) };
  const link = await writeLink(choice);
  expect(link.length).toBeLessThan(500);
  expect(await readLink(link)).toEqual(choice);
});

test("whatever a link holds, reading it gives a whole choice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.webFragments(), fc.string(), async (a, b) => {
      for (const hash of [a, `text=x&layer=${b}&edits=${b}&x=${b}&at=${b}&z=${b}&heads=${b}`]) {
        const choice = await readLink(hash);
        expect(Object.keys(choice)).toEqual(Object.keys(startChoice));
        expect(Number.isInteger(choice.layer)).toBe(true);
        expect(readHash(writeHash(choice))).toEqual(choice);
      }
    }),
    { numRuns: 40 },
  );
});

test("an edit that is none is dropped", () => {
  for (const bad of [
    '[{"layer":0,"head":0,"output":"explode"}]',
    '[{"layer":"0"}]',
    "{}",
    '[{"layer":0,"head":0,"mask":"x"}]',
  ]) {
    expect(readHash(`edits=${encodeURIComponent(bad)}`).edits).toEqual([]);
  }
});

test("a text that unfolds to more than the page takes in is cut there, from either form of a link", async () => {
  const text = "the sea ".repeat(longestText);
  const link = await writeLink({ ...copyOf(startChoice), text });
  expect(link.length).toBeLessThan(longestText / 10);
  expect((await readLink(link)).text).toBe(text.slice(0, longestText));
  expect(readHash(`v=1&text=${text}`).text).toBe(text.slice(0, longestText));
});
