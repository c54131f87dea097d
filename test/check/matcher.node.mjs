// @file The assertion under node:test: one test that passes and one that fails with the report. Run by matcher.test.ts.
import test from "node:test";
import { createJiti } from "jiti";

const { assertAttention } = await createJiti(import.meta.url).import("../../src/check/index.js");
const { right } = await createJiti(import.meta.url).import("./planted.ts");
const rules = ["scale-missing", "future-leak"];

test("right", () => assertAttention(right["float32 loops"], { rules }));
test("wrong", () => assertAttention((q, k, v, o) => right["float32 loops"](q, k, v, { ...o, scale: 1 }), { rules }));
