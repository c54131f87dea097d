/**
 * @file Every TypeScript snippet of the README and the manual runs, against the built package, and prints what it says.
 *
 * A comment after `console.log(…);` is what that line prints. A snippet whose fence says `ts no-run` only shows a shape.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../goldens/where.js";

const pages = [join(root, "README.md"), ...markdown(join(root, "docs"))].filter((p) => existsSync(p));

function markdown(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith(".md"))
    .map((e) => join(e.parentPath, e.name));
}

/** The snippets of a page, with the line each starts on. */
function snippets(page: string): { line: number; code: string }[] {
  const text = readFileSync(page, "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((m) => ({
    line: text.slice(0, m.index).split("\n").length + 1,
    code: m[1]!,
  }));
}

/** What the comments promise: the text after "// " of each line that logs. */
function promised(code: string): string[] {
  return [...code.matchAll(/^\s*console\.log\(.*\);\s*\/\/ (.*)$/gm)].map((m) => m[1]!.trim());
}

describe.each(pages.map((page) => ({ page: relative(root, page), path: page })))("$page", ({ path }) => {
  const found = snippets(path);
  test.runIf(found.length === 0)("has no snippets", () => expect(found).toEqual([]));
  test.each(found)("the snippet at line $line runs and prints what it says", ({ line, code }) => {
    const folder = join(root, "build/snippets");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${relative(root, path).replace(/\W+/g, "-")}-${line}.ts`);
    writeFileSync(file, code);
    const printed = execFileSync(process.execPath, [join(root, "node_modules/jiti/lib/jiti-cli.mjs"), file], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1", JITI_FS_CACHE: "false" },
    });
    const lines = printed.split("\n").map((l) => l.trim());
    for (const want of promised(code)) expect(lines).toContain(want);
  });
});
