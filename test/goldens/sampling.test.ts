/**
 * What may come next, and how likely it is, after temperature, top-k, top-p and repetition penalty: as transformers'
 * logits processors have it, in the order in which its `generate` applies them.
 *
 * transformers divides by the temperature in float32, so s/T is off by 2⁻²⁴ of itself, and its e^(s/T) by as much as
 * that is in absolute terms; a probability is the quotient of two such.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooser, type SamplingOptions, sampler } from "../../src/models/sample.js";
import { random } from "../../src/tensor/random.js";
import { root } from "./where.js";

interface Case {
  options: SamplingOptions;
  seen: number[];
  scores: number[];
  probabilities: number[];
}
const file = join(root, "test/goldens/data/sampling/cases.json");
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

/** Probabilities of all tokens. */
function all({ options, seen, scores }: Case): Float64Array {
  const { ids, p } = sampler(options)(Float32Array.from(scores), seen);
  const out = new Float64Array(scores.length);
  p.forEach((x, i) => (out[ids[i]!] = x));
  return out;
}

test(`${cases.length} cases of transformers' processors`, () => {
  expect(cases.length).toBeGreaterThan(100);
  for (const [n, c] of cases.entries()) {
    const { temperature = 1, repetitionPenalty: penalty = 1 } = c.options;
    const largest = Math.max(...c.scores.map(Math.abs)) * Math.max(penalty, 1 / penalty);
    const relative = 1e-8 + 4 * 2 ** -24 * Math.max(1, largest / temperature);
    const got = all(c);
    for (const [id, want] of c.probabilities.entries()) {
      if (want === 0) expect(got[id], `case ${n}, token ${id}`).toBe(0);
      else expect(Math.abs(got[id]! / want - 1), `case ${n}, token ${id}`).toBeLessThan(relative);
    }
  }
});

test("tokens are drawn as often as they are likely", () => {
  const scores = Float32Array.from([0.3, -1, 2, 1.1, 0.7]);
  const options = { temperature: 0.9, topK: 4, topP: 0.95 };
  const [draw, choose, times] = [random(3), chooser(options), 20_000];
  const count = new Float64Array(5);
  for (let n = 0; n < times; n++) count[choose(scores, [], draw)]! += 1 / times;
  const { ids, p } = sampler(options)(scores, []);
  expect(ids).toEqual([0, 2, 3, 4]);
  // Five standard deviations of a share of 20,000 draws.
  p.forEach((x, i) => expect(Math.abs(count[ids[i]!]! - x)).toBeLessThan(5 * Math.sqrt((x * (1 - x)) / times)));
  expect(count[1]).toBe(0);
});

test("the k-th best is the same for a small k, that is searched, and a large one, that is sorted", () => {
  const r = random(9);
  const scores = Float32Array.from({ length: 2000 }, () => Math.round(r.normal() * 1000) / 1000);
  for (const k of [1, 2, 500, 512, 513, 1999, 2000, 3000]) {
    const bar = [...scores].sort((a, b) => b - a)[Math.min(k, 2000) - 1]!;
    const want = [...scores.keys()].filter((id) => scores[id]! >= bar);
    expect(sampler({ topK: k })(scores, []).ids).toEqual(want);
  }
});
