/** Code in docs/adding-a-model.md is code of the file that it names, line for line. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
const blocks = [...read("docs/adding-a-model.md").matchAll(/^```ts no-run\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];

test("there are some", () => expect(blocks.length).toBeGreaterThan(4));
test.each(blocks.map(([, file, code]) => ({ file: file!, code: code! })))("$file", ({ file, code }) => {
  expect(read(file)).toContain(code);
});
test("the length it gives is the file's", () => {
  const [, file, lines] = /`(src\/models\/\S+\.ts)`, (\d+) lines/.exec(read("docs/adding-a-model.md"))!;
  expect(read(file!).trimEnd().split("\n").length).toBe(Number(lines));
});
