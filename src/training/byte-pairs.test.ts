import { expect, test } from "vitest";
import { readTokenizer } from "../text/index.js";
import { bytePairEncoder, tokenizerJson, trainBytePairs } from "./byte-pairs.js";

const texts = ["low lower lowest", "new newer newest, naïve — “quoted” 数 🙂\n\n  indented"];

test("the most frequent neighbours are joined first, and ties go to the first in order", () => {
  const { merges, tokens } = trainBytePairs(["abab abab cdcd"], 260, ["<end>"]);
  expect(merges).toEqual([
    ["a", "b"],
    ["ab", "ab"],
    ["c", "d"],
  ]); // (ab) 4 ×; then "ab ab" 2 ×, before "c d" 2 ×
  expect(tokens.length).toBe(260);
  expect(tokens[0]).toBe("<end>");
});

test("a pair that occurs once is not joined, so a short text gives fewer tokens than asked for", () => {
  expect(trainBytePairs(["abc"], 1000).tokens.length).toBe(256);
});

test("the tokenizer.json gives the ids of the encoder and the text back, for any text", () => {
  const pairs = trainBytePairs(texts, 300, ["<|endoftext|>"]);
  const encode = bytePairEncoder(pairs);
  const tokenizer = readTokenizer({ tokenizer: tokenizerJson(pairs) as never });
  for (const text of [...texts, "unseen words: Ωmega, don't we'll", " \t tabs", ""]) {
    const { ids } = tokenizer.encode(text);
    expect(ids, text).toEqual(encode(text));
    expect(tokenizer.decode(ids), text).toBe(text);
  }
});
