/** @file jest's own `expect`. In a file of its own: vitest keeps its matchers in the same place. */
import { expect } from "expect";
import { test } from "vitest";
import { attentionMatchers } from "../../src/check/index.js";
import { passesAndFails } from "./matcher.js";

expect.extend(attentionMatchers);

test("expect(…).toBeAttention() of jest", () => passesAndFails(expect));
