import fc from "fast-check";
import { expect, test } from "vitest";
import { byteCharacters } from "./pre-tokenize.js";
import { readTokenizer } from "./load.js";
import { TokenStream } from "./stream.js";

/** A tokenizer of single bytes: every character but ASCII is spread over several tokens. */
const bytes = readTokenizer({
  tokenizer: {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(byteCharacters.map((c, i) => [c, i])), merges: [] },
  },
});

test("a family of four is given out once, whole, with its last byte", () => {
  const stream = new TokenStream(bytes);
  const { ids } = bytes.encode("a👩b");
  expect(ids.map((id, i) => stream.add(id, i === ids.length - 1))).toEqual(["a", "", "", "", "👩", "b"]);
});

test("whatever the text, the pieces are the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      fc.pre(!text.includes("�"));
      const stream = new TokenStream(bytes);
      const { ids } = bytes.encode(text);
      expect(ids.map((id, i) => stream.add(id, i === ids.length - 1)).join("")).toBe(text);
    }),
  );
});

test("a character that is never finished shows as � at the end", () => {
  const stream = new TokenStream(bytes);
  const [first] = bytes.encode("é").ids as [number];
  expect(stream.add(first, true)).toBe("�");
});

test("the offset of every byte is its whole character, in UTF-16 units", () => {
  expect(bytes.encode("a👩").offsets).toEqual([
    [0, 1],
    [1, 3],
    [1, 3],
    [1, 3],
    [1, 3],
  ]);
});

test("decoding an id that is not there, encoding what is no text", () => {
  expect(() => bytes.decode([300])).toThrowErrorMatchingInlineSnapshot(
    `[OptionError: decode: ids contain 300; expected whole numbers from 0 to 255 that are in the vocabulary.]`,
  );
  expect(() => bytes.encode(["a"] as never)).toThrowErrorMatchingInlineSnapshot(
    `[OptionError: encode: text is an array; expected a string. Fix: encode each text by itself: texts.map((t) => tokenizer.encode(t)).]`,
  );
  expect(bytes.decode([])).toBe("");
});

test("a tokenizer.json without a needed section", () => {
  expect(() => readTokenizer({ tokenizer: "{}" })).toThrowErrorMatchingInlineSnapshot(
    `[FileError: loadTokenizer: tokenizer.json has no section "model"; expected a section "model". Fix: use the tokenizer.json that belongs to the model.]`,
  );
  expect(() => readTokenizer({ tokenizer: '{"model":{"type":"BPE","vocab":{}}}' })).toThrowErrorMatchingInlineSnapshot(
    `[FileError: loadTokenizer: tokenizer.json has no section "model.merges"; expected a list of merges. Fix: use the tokenizer.json that belongs to the model.]`,
  );
});
