/** The model that comes with qkv, against its own birth certificate. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadModel } from "../../models/index.js";
import { readTokenizer } from "../../text/index.js";
import { bytePairEncoder, tokenizerJson } from "../byte-pairs.js";
import { recipe } from "./recipe.js";
import { newModel, scoresOf } from "./run.js";

const file = (name: string): string => fileURLToPath(new URL(`../../../models/bundled/${name}`, import.meta.url));
const birth = JSON.parse(readFileSync(file("BIRTH.json"), "utf8"));

test("the weights are the certificate's, in half precision and at most 8 MB", () => {
  const bytes = readFileSync(file("model.safetensors"));
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(birth.made.sha256);
  expect(statSync(file("model.safetensors")).size).toBeLessThanOrEqual(8e6);
  expect(birth.parameters).toBe(newModel().parameterCount);
});

test("config.json is the one in the certificate", () => {
  expect(JSON.parse(readFileSync(file("config.json"), "utf8"))).toEqual(birth.recipe.config);
});

test("its heads do what the certificate says, on random tokens it was not scored on", async () => {
  const scores = scoresOf(await loadModel("bundled"), 20261124);
  for (const what of ["previous", "first", "induction"] as const) {
    const { layer, head, score } = birth.result[what];
    const now = scores.find((s) => s.layer === layer && s.head === head)!;
    expect(Math.abs(now[what] - score), what).toBeLessThan(0.05);
  }
});

test("it learned: held-back text costs at most 1.15 nats a character, where guessing costs ln 512 / 2.25 = 2.77", () => {
  expect(birth.result.natsPerCharacter).toBeLessThanOrEqual(1.15);
});

test("a head looks at the token before, another at what followed last time, on random tokens", () => {
  expect(birth.result.previous.score).toBeGreaterThanOrEqual(0.9);
  expect(birth.result.induction.score).toBeGreaterThanOrEqual(0.8);
});

test("tokenizer.json is what the trainer writes, and gives the trainer's ids", () => {
  const json = JSON.parse(readFileSync(file("tokenizer.json"), "utf8"));
  const byId = Object.entries(json.model.vocab as Record<string, number>).sort((a, b) => a[1] - b[1]);
  const pairs = { tokens: byId.map(([token]) => token), merges: json.model.merges, specials: recipe.specials };
  expect(tokenizerJson(pairs)).toEqual(json);
  const text = "Call me Ishmael. Some years ago — never mind how long precisely";
  expect(readTokenizer({ tokenizer: json }).encode(text).ids).toEqual(bytePairEncoder(pairs)(text));
});
