/** @file What a matcher must do, whatever `expect` it is in. */
import { deepStrictEqual, match } from "node:assert";
import { multiHead } from "./multi-head.js";
import { planted, right } from "./planted.js";
import { tiny } from "./tiny-transformer.js";

export interface Asserting {
  not: Asserting;
  toBeAttention(options?: object): Promise<void>;
}
export const rules = ["scale-missing", "future-leak", "padding-leak"];

export const that = (expect: (x: unknown) => unknown, x: unknown): Asserting => expect(x) as Asserting;

/** Right subjects of every kind pass, a wrong one fails with its report, `not` turns both round. */
export async function passesAndFails(expect: (x: unknown) => unknown): Promise<void> {
  const sound = right["float32 loops"];
  const wrong = planted["scale-missing"]!["no scale, loops"]!();
  for (const subject of [sound, tiny(), multiHead()]) await that(expect, subject).toBeAttention({ rules });
  await that(expect, wrong).not.toBeAttention({ rules });
  const refusals = [that(expect, wrong).toBeAttention({ rules }), that(expect, sound).not.toBeAttention({ rules })];
  const said = await Promise.allSettled(refusals);
  deepStrictEqual(
    said.map((s) => s.status),
    ["rejected", "rejected"],
  );
  const words = said.map((s) => String((s as PromiseRejectedResult).reason));
  match(words[0]!, /✖ scale-missing error[\s\S]*Fix: /);
  match(words[1]!, /found none/);
}
