/** @file The contents pages: one index.ts a room, equal to the package's exports, and nothing in them but named exports. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../goldens/where.js";
import { sourceFiles } from "./sources.js";

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, { types: string; default: string } | string>;
};
const subpaths = Object.entries(exports).filter(
  (e): e is [string, { types: string; default: string }] => typeof e[1] !== "string",
);
/** The contents page of the package, of every room, and of what else is a subpath; an index.ts deeper down is an ordinary file. */
const pages = sourceFiles().filter(({ path }) => /^([^/]+\/)?index\.ts$/.test(path) || subpathOf(path) in exports);

/** "attention/efficient/index.ts" → "./attention/efficient"; "index.ts" → "." */
function subpathOf(page: string): string {
  return `./${page}`.replace(/\/index\.ts$/, "");
}

test("every index.ts is a subpath of the package, and every subpath has its index.ts", () =>
  expect(pages.map((p) => subpathOf(p.path)).sort()).toEqual(subpaths.map(([name]) => name).sort()));

test.each(subpaths)("%s points to what the build makes of its index.ts", (name, { types, default: code }) => {
  const built = name === "." ? "./dist/index" : `./dist/${name.slice(2)}/index`;
  expect([types, code]).toEqual([`${built}.d.ts`, `${built}.js`]);
});

describe.each(pages)("src/$path", ({ text }) => {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  test("has named exports only, and no code", () => {
    const rest = code
      .replace(/export\s+(type\s+)?\{[^}]*\}\s*from\s*"[^"]+";/g, "")
      .replace(/export\s+type\s+\*\s*from\s*"[^"]+";/g, "");
    expect(rest.trim()).toBe("");
  });
  test("opens with what it is, and says of each export what it is for", () => {
    expect(text.startsWith("//") || text.startsWith("/**")).toBe(true);
    const without = [...text.matchAll(/from "[^"]+";(.*)$/gm)]
      .filter((m) => !m[1].trim().startsWith("//"))
      .map((m) => m[0]);
    expect(without).toEqual([]);
  });
});
