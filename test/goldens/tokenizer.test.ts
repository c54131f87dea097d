/** Ids, tokens, offsets, types and decoded texts of the Rust tokenizers library, exactly. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/index.js";
import { goldenSets } from "./where.js";

interface Expected {
  text: string | [string, string];
  ids: number[];
  tokens: string[];
  type_ids: number[];
  offsets: [number, number][];
  special_tokens_mask: number[];
  ids_no_special?: number[];
  decoded?: string;
  decoded_all?: string;
}

/** Offsets in code points, as Python counts, in UTF-16 units of the same text. */
const inUnits = (text: string): ((offset: [number, number]) => [number, number]) => {
  const unit = [0];
  for (const char of text) unit.push(unit.at(-1)! + char.length);
  return ([from, to]) => [unit[from]!, unit[to]!];
};

for (const { id, folder } of goldenSets("tokenizer")) {
  describe(id, async () => {
    const tokenizer = await loadTokenizer(folder);
    const cases = JSON.parse(readFileSync(join(folder, "encodings.json"), "utf8")) as Expected[];
    test.each(cases.map((c) => [JSON.stringify(c.text), c] as const))("%s", (_, want) => {
      const [text, pair] = Array.isArray(want.text) ? want.text : [want.text, undefined];
      const got = tokenizer.encode(text, { pair });
      expect(got.tokens).toEqual(want.tokens);
      expect(got.ids).toEqual(want.ids);
      expect(got.typeIds).toEqual(want.type_ids);
      expect(got.special).toEqual(want.special_tokens_mask);
      const [units, pairUnits] = [inUnits(text), inUnits(pair ?? "")];
      expect(got.offsets).toEqual(want.offsets.map((o, i) => (got.sequences[i] === 1 ? pairUnits(o) : units(o))));
      if (want.ids_no_special)
        expect(tokenizer.encode(text, { pair, addSpecialTokens: false }).ids).toEqual(want.ids_no_special);
      if (want.decoded !== undefined) expect(tokenizer.decode(want.ids, { skipSpecialTokens: true })).toBe(want.decoded);
      if (want.decoded_all !== undefined) expect(tokenizer.decode(want.ids)).toBe(want.decoded_all);
    });
  });
}
