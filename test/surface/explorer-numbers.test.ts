/** @file Every number the explorer shows comes from a trace: nothing in its sources draws one at random, or reaches elsewhere. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../goldens/where.js";

function* sources(folder: string): Generator<[path: string, text: string]> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (/\.(ts|html|css)$/.test(name) && !name.endsWith(".test.ts"))
      yield [path.slice(root.length), readFileSync(path, "utf8")];
  }
}
const all = [...sources(join(root, "src/explorer"))];

test("no source of the explorer calls Math.random or crypto for a number", () => {
  expect(all.length).toBeGreaterThan(40);
  const at = all.filter(([, text]) => /Math\s*\.\s*random|getRandomValues|randomUUID/.test(text)).map(([path]) => path);
  expect(at).toEqual([]);
});

test("no source of the explorer names another origin to load from", () => {
  const at = all
    .filter(([, text]) => /(src|href|url|fetch|import)\s*[=(:]\s*["'`(]*https?:\/\/(?!\$\{)/.test(text))
    .map(([path]) => path);
  expect(at).toEqual([]);
});

test("no source of the explorer writes text as markup", () => {
  const at = all
    .filter(([, text]) => /\.(innerHTML|outerHTML)\s*=|insertAdjacentHTML|unsafeHTML|document\.write/.test(text))
    .map(([path]) => path);
  expect(at).toEqual([]);
});
