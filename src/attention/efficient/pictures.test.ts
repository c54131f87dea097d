import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { referenceKernel, withOperations } from "../../kernels/index.js";
import * as efficient from "./index.js";

const folder = join(import.meta.dirname, "../../../docs/efficient");
const pages = readdirSync(folder).filter((n) => n.endsWith(".md"));

/** `picture(slidingWindow, 8, { … })` in a page, and the block of ■ and · under it. */
const drawn = /`picture\((\w+), (\d+), (\{.*?\})\)`[^`]*```text\n([■·\n ]+)```/gs;

describe("docs/efficient", () => {
  test("there is a page with a picture for each mechanism", () => {
    const shown = pages.flatMap((p) => [...readFileSync(join(folder, p), "utf8").matchAll(drawn)].map((m) => m[1]));
    const mechanisms = Object.values(efficient as Record<string, unknown>).flatMap((x) =>
      typeof x === "function" && "mechanism" in x ? [x.mechanism] : [],
    );
    expect([...new Set(shown)].sort()).toEqual(mechanisms.sort());
  });
  test.each(pages)("%s: each picture is what the code prints", (page) => {
    for (const [, name, length, options, lines] of readFileSync(join(folder, page), "utf8").matchAll(drawn)) {
      const mechanism = (efficient as Record<string, unknown>)[name!] as Parameters<typeof efficient.picture>[0];
      const read = new Function(`return ${options}`)() as object;
      const got = withOperations(referenceKernel(), () => efficient.picture(mechanism, Number(length), read));
      expect(got.join("\n")).toBe(lines!.trimEnd());
    }
  });
});
