import { describe, expect, test } from "vitest";
import type { TokenView } from "../engine/protocol.js";
import { tokensHolding } from "./tokens.js";

const tokens = (pieces: string[], starts: (n: number) => boolean): TokenView[] =>
  pieces.map((text, n) => ({ id: n, text, raw: text, from: 0, to: 0, special: false, startsWord: starts(n) }));

describe("finding text in tokens", () => {
  const gpt = tokens(["The", " wh", "ale", " rose", ";", " the", " Wh", "ale"], () => false);

  test("a word in pieces is found where it begins, whatever its case", () => {
    expect(tokensHolding(gpt, "whale")).toEqual([1, 6]);
    expect(tokensHolding(gpt, "WHALE")).toEqual([1, 6]);
    expect(tokensHolding(gpt, "the wh")).toEqual([0, 5]);
    expect(tokensHolding(gpt, "ale")).toEqual([2, 7]);
  });

  test("pieces without their spaces get them back where words begin", () => {
    const bert = tokens(["the", "wh", "ale", "rose"], (n) => n !== 2);
    expect(tokensHolding(bert, "the whale rose")).toEqual([0]);
    expect(tokensHolding(bert, "whale")).toEqual([1]);
  });

  test("what is not there, and nothing, are found nowhere", () => {
    expect(tokensHolding(gpt, "ship")).toEqual([]);
    expect(tokensHolding(gpt, "")).toEqual([]);
    expect(tokensHolding([], "a")).toEqual([]);
  });

  test("a token that holds it twice is one place", () => {
    expect(
      tokensHolding(
        tokens(["aaaa", " b"], () => false),
        "a",
      ),
    ).toEqual([0]);
  });
});
