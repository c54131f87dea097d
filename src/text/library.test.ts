import { expect, test } from "vitest";
import { readTokenizer } from "./load.js";

const tokens = (merges: unknown[], pieces: string[], text: string): string[] => {
  const vocab = Object.fromEntries(pieces.map((p, i) => [p, i]));
  return readTokenizer({ tokenizer: { model: { type: "BPE", vocab, merges } as never } }).encode(text).tokens;
};

test("merges join what they name, the first of them first, written as a text or as a pair", () => {
  const pieces = ["a", "b", "c", "ab", "bc"];
  expect(tokens(["a b", "b c"], pieces, "abc")).toEqual(["ab", "c"]);
  expect(tokens([["b", "c"], ["a", "b"]], pieces, "abc")).toEqual(["a", "bc"]); // biome-ignore format: one line
});

test("parts with spaces, quotes, commas and backslashes", () => {
  const pieces = ["a", " ", "b", " b", "a b", "a ", '"', ",", '",', '","', "\\", '\\"'];
  const pairs = [[" ", "b"], ["a", " b"], ['"', ","], ['",', '"'], ["\\", '"']]; // biome-ignore format: one line
  expect(tokens(pairs, pieces, "a b")).toEqual(["a b"]);
  expect(tokens(pairs, pieces, '","')).toEqual(['","']);
  expect(tokens(pairs, pieces, '\\",')).toEqual(["\\", '",']); // the merge of " and , stands before that of \ and "
  expect(tokens([["a ", "b"]], pieces, "a b")).toEqual(["a", " ", "b"]); // another cut of the same text is another merge
});
