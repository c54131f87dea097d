import fc from "fast-check";
import { expect, test } from "vitest";
import { byteCharacters } from "./pre-tokenize.js";
import { readTokenizer } from "./load.js";
import { TokenStream } from "./stream.js";
import type { Tokenizer } from "./tokenizer.js";

/** A tokenizer of single bytes: every character but ASCII is spread over several tokens. */
const bytes = readTokenizer({
  tokenizer: {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(byteCharacters.map((c, i) => [c, i])), merges: [] },
  },
});

/** The same with one token that ends within a character: id 256 is "ab" and the first two bytes of an emoji. */
const words = (() => {
  const joined = ["a", "b", byteCharacters[0xf0]!, byteCharacters[0x9f]!].join("");
  const vocab = Object.fromEntries([...byteCharacters, joined].map((c, i) => [c, i]));
  return readTokenizer({ tokenizer: { decoder: { type: "ByteLevel" }, model: { type: "BPE", vocab, merges: [] } } });
})();

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

/** SentencePiece's way: words, and bytes for whatever is no word. */
const pieces = [
  "<unk>",
  "<s>",
  "</s>",
  ...Array.from({ length: 256 }, (_, i) => byteToken(i)),
  "▁",
  "a",
  "▁a",
  "b",
  ".",
];
function byteToken(i: number): string {
  return `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`;
}
const fallback = readTokenizer({
  tokenizer: {
    added_tokens: pieces.slice(0, 3).map((content, id) => ({ id, content, special: true, normalized: false })),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(pieces.map((p, i) => [p, i])),
      merges: [["▁", "a"]],
      unk_token: "<unk>",
      byte_fallback: true,
    },
  },
});
const streamed = (tokenizer: Tokenizer, ids: readonly number[], before: readonly number[] = []): string => {
  const stream = new TokenStream(tokenizer, before);
  return ids.map((id, i) => stream.add(id, i === ids.length - 1)).join("");
};
const spelled = (text: string): number[] =>
  [...text].flatMap((c) => {
    const id = fallback.tokenToId(c === " " ? "▁" : c);
    return id === undefined ? [...new TextEncoder().encode(c)].map((b) => fallback.tokenToId(byteToken(b))!) : [id];
  });

test("characters spelled in bytes, one after the other: the pieces are the text that all ids read", () => {
  const texts = fc.array(fc.constantFrom("a", "b", ".", " ", "你", "好", "吗", "é", "👩", "\u{10FFFF}", "\u200d"), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const [prompt, ids] = [[1, ...spelled(before.join(""))], spelled(after.join(""))];
      const [start, whole] = [prompt, [...prompt, ...ids]].map((x) => fallback.decode(x, { skipSpecialTokens: true }));
      expect(start + streamed(fallback, ids, prompt)).toBe(whole);
    }),
  );
});

test("bytes that are no character spoil nothing that was given out", () => {
  const stream = new TokenStream(fallback);
  const byte = (b: number): number => fallback.tokenToId(byteToken(b))!;
  expect([...spelled("你"), byte(0x80), ...spelled("b"), ...spelled("好")].map((id) => stream.add(id)).join("")).toBe(
    "你�b好",
  );
});

test("a prompt that ends within a character: the rest of it is given out, and nothing twice", () => {
  for (const [tokenizer, encode] of [
    [bytes, (t: string) => bytes.encode(t).ids],
    [fallback, spelled],
  ] as const) {
    const ids = encode("ab你👩");
    for (let cut = 1; cut < 4; cut++)
      expect(streamed(tokenizer, encode("👩").slice(cut), ids.slice(0, cut - 4))).toBe("👩");
    expect(streamed(tokenizer, encode("a"), encode("b�"))).toBe("a");
  }
});

test("a special token between words keeps their space", () => {
  const ids = [...spelled("a"), 2, 1, ...spelled(" a"), 2, ...spelled(" b")];
  expect(streamed(fallback, ids)).toBe(fallback.decode(ids, { skipSpecialTokens: true }));
});

test("what stands before an unfinished character is given out at once", () => {
  const stream = new TokenStream(words);
  expect([256, 0x98, 0x80].map((id) => stream.add(words.tokenToId(words.idToToken(id)!)!)).join("|")).toBe("ab||😀");
});

test("an id that no token has says nothing", () => {
  expect(streamed(bytes, [...bytes.encode("a").ids, 300, ...bytes.encode("b").ids], [301])).toBe("ab");
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
