/** Where tokens stand, as the Rust library says, in texts where characters join, split or come before the first. */
import { expect, test } from "vitest";
import { readTokenizer } from "./load.js";
import { byteCharacters } from "./pre-tokenize.js";

const bytes = Object.fromEntries(byteCharacters.map((c, i) => [c, i]));
const byteLevel = (more: object) =>
  readTokenizer({ tokenizer: { model: { type: "BPE", vocab: bytes, merges: [] }, ...more } as never });

test("a letter composed with its accent uses up both; the marks behind keep their places", () => {
  const pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  const { offsets } = byteLevel({ normalizer: { type: "NFC" }, pre_tokenizer }).encode("a\u0301\u0302b");
  expect(offsets).toEqual([[0, 1], [0, 1], [2, 3], [2, 3], [3, 4]]); // biome-ignore format: pairs
});

test("the space put before a character of two units stands for nothing", () => {
  const step = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true };
  const { offsets } = byteLevel({ pre_tokenizer: step, post_processor: step }).encode("👩");
  expect(offsets[0]).toEqual([0, 0]);
  expect(offsets[1]).toEqual([0, 2]);
});

test("a byte-order mark is no white space", () => {
  const vocab = { "\ufeff": 0, a: 1, " ": 2 };
  const model = { type: "BPE", vocab, merges: [] };
  const strip = readTokenizer({ tokenizer: { normalizer: { type: "Strip" }, model } as never });
  expect(strip.encode(" \ufeffa ").ids).toEqual([0, 1]);
});
