/** @file What the rules say of themselves, held against the tests: what each must catch and what it must pass. */
import { expect } from "vitest";
import { type Report, rules } from "../../src/check/index.js";

/** A right implementation has no finding, and every rule that lists it has tested it. */
export function leftAlone(title: string, report: Report): void {
  expect(report.findings).toEqual([]);
  const listing = rules.filter((r) => r.mustPass.includes(title)).map((r) => r.id);
  expect(
    listing.filter((id) => !report.tested.includes(id)),
    JSON.stringify(report.notTested),
  ).toEqual([]);
}
