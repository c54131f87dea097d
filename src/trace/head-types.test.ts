import { expect, test } from "vitest";
import { headTypes, leadingType, uniformMap } from "./head-types.js";

const L = 12;
const ids = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]; // six tokens, said twice
const tokens = { ids, delimiter: ids.map((t) => t === 5), square: true };
const type = (id: string) => headTypes.find((t) => t.id === id)!;

/** A map whose row i has all its weight on `target(i)`; the future is not visible when causal. */
function pointing(target: (i: number) => number, causal = true): Float32Array {
  const map = new Float32Array(L * L);
  for (let i = 0; i < L; i++) {
    if (causal) map.fill(Number.NaN, i * L + i + 1, (i + 1) * L);
    map[i * L + target(i)] = 1;
  }
  return map;
}
const perfect: Record<string, Float32Array> = {
  previous: pointing((i) => Math.max(0, i - 1)),
  next: pointing((i) => Math.min(L - 1, i + 1), false),
  self: pointing((i) => i),
  first: pointing(() => 0),
  local: pointing((i) => Math.max(0, i - 2)),
  duplicate: pointing((i) => (i >= 6 ? i - 6 : 0)),
  induction: pointing((i) => (i >= 6 ? i - 5 : 0)),
  inductionStrict: pointing((i) => (i >= 6 ? i - 5 : 0)),
  delimiter: pointing(() => 5, false),
};

for (const [id, map] of Object.entries(perfect)) {
  test(`a head made to be "${type(id).name}" scores 1, and the uniform head scores chance, well under it`, () => {
    expect(type(id).score(map, L, L, tokens)).toBeCloseTo(1, 6);
    const chance = type(id).score(uniformMap(map, L, L), L, L, tokens);
    expect(chance).toBeLessThan(0.6);
  });
}

test("chance of previous-token under a causal mask is the mean of 1/(i + 1)", () => {
  let expected = 0;
  for (let i = 1; i < L; i++) expected += 1 / (i + 1) / (L - 1);
  expect(type("previous").score(uniformMap(perfect["previous"]!, L, L), L, L, tokens)).toBeCloseTo(expected, 6);
});

test("the three induction formulas: mean over repeats, mean of weights of at least 0.3, share of the whole map", () => {
  const map = pointing((i) => i);
  for (let i = 6; i < L; i++) {
    map[i * L + i] = 0.75;
    map[i * L + i - 5] = 0.25;
  }
  map[11 * L + 11] = 0;
  map[11 * L + 6] = 1; // the last token was at 5, so position 6 followed it
  expect(type("induction").score(map, L, L, tokens)).toBeCloseTo((5 * 0.25 + 1) / 6, 6);
  expect(type("inductionStrict").score(map, L, L, tokens)).toBeCloseTo(1 / 6, 6);
  expect(type("inductionMass").score(map, L, L, tokens)).toBeCloseTo((5 * 0.25 + 1) / 12, 6);
});

test("broad: 1 for the uniform head, 0 for a head that decides", () => {
  expect(type("broad").score(uniformMap(perfect["self"]!, L, L), L, L, tokens)).toBeCloseTo(1, 6);
  expect(type("broad").score(perfect["self"]!, L, L, tokens)).toBeCloseTo(0, 6);
});

test("alignment: a straight path through a rectangle scores 1", () => {
  const map = new Float32Array(4 * 10);
  [0, 3, 6, 9].forEach((j, i) => { map[i * 10 + j] = 1; }); // biome-ignore format: a row a number
  expect(type("alignment").score(map, 4, 10, { ...tokens, square: false })).toBeCloseTo(1, 6);
});

test("a sequence without repeats gives no induction score rather than 0", () => {
  const once = { ids: ids.map((_, i) => i), delimiter: ids.map(() => false), square: true };
  expect(type("induction").score(perfect["self"]!, L, L, once)).toBeNaN();
  expect(type("delimiter").score(perfect["self"]!, L, L, once)).toBeNaN();
});

test("the leading type is the one farthest above its chance", () => {
  const scores = (map: Float32Array) => Object.fromEntries(headTypes.map((t) => [t.id, t.score(map, L, L, tokens)]));
  for (const id of ["previous", "first", "duplicate", "induction"]) {
    expect(leadingType(scores(perfect[id]!), scores(uniformMap(perfect[id]!, L, L)))?.id).toBe(id);
  }
  const even = uniformMap(perfect["self"]!, L, L);
  expect(leadingType(scores(even), scores(even))?.id).toBe("broad");
});
