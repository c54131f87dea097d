import { expect, test } from "vitest";
import { placed } from "./passage.js";

const measure = (text: string): number => 10 * text.length;
const put = (words: string[], width: number) =>
  placed({ labels: words, starts: words.map(() => true), breaks: words.map(() => false) }, width, 10, 0, measure);

/** Labels of each line from left to right. */
const read = (words: string[], width: number): string[] => {
  const places = put(words, width);
  const lines: { x: number; text: string }[][] = [];
  places.forEach((p, n) => { (lines[p.line] ??= []).push({ x: p.x, text: words[n]! }); }); // biome-ignore format: one line
  return lines.map((l) => l.sort((a, b) => a.x - b.x).map((t) => t.text).join(" ")); // biome-ignore format: one list
};

test("words stay whole and lines within their width; a text's own line break is kept", () => {
  const labels = ["wh", "ale", "and", "ship"];
  const places = placed({ labels, starts: [true, false, true, true], breaks: [false, false, false, true] }, 75, 10, 0, measure); // biome-ignore format: one call
  expect(places.map((p) => p.line)).toEqual([0, 0, 1, 2]);
  expect(places[1]!.x).toBe(places[0]!.x + places[0]!.width); // no gap inside a word
  for (const p of places) expect(p.x + p.width).toBeLessThanOrEqual(75);
});

test("right-to-left text runs from the right, a run of the other direction keeps its own", () => {
  expect(read(["שלום", "לים"], 200)).toEqual(["לים שלום"]);
  expect(put(["שלום", "לים"], 200)[0]!.x).toBe(160);
  expect(read(["אב", "the", "sea", "גד"], 400)).toEqual(["גד the sea אב"]);
  expect(read(["the", "אב", ",", "גד", "sea"], 400)).toEqual(["the גד , אב sea"]);
});

test("Chinese and Japanese break before any sign", () => {
  const labels = [..."鯨は海の魚"];
  const places = placed({ labels, starts: labels.map((_, n) => n === 0), breaks: labels.map(() => false) }, 25, 10, 0, measure); // biome-ignore format: one call
  expect(places.map((p) => p.line)).toEqual([0, 0, 1, 1, 2]);
});
