/**
 * @file `npm test`: everything that proves the product – types, lint, build, then unit, conformance, golden, surface and
 * browser tests. Arguments go to vitest: `npm test -- src/trace`.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureBrowser } from "./shared/browser.mjs";
import { buildIfNeeded, installPackages, requireNode, root, run } from "./shared/prepare.mjs";

requireNode();
installPackages();
buildIfNeeded();

const bin = (path) => join(root, "node_modules", path);
const selected = process.argv.slice(2);
const failed = [];
const step = (name, command, args, env) => {
  console.log(`\n── ${name}`);
  if (run(command, args, { env }) !== 0) failed.push(name);
};

if (selected.length === 0) {
  step("types", process.execPath, [bin("typescript/bin/tsc"), "--noEmit", "-p", "."]);
  step("lint", process.execPath, [bin("@biomejs/biome/bin/biome"), "check", "."]);
}
const browser = ensureBrowser();
mkdirSync(join(root, "build"), { recursive: true });
step(
  "tests",
  process.execPath,
  [
    bin("vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    "--outputFile.json=build/test-report.json",
    ...selected,
  ],
  browser ? { QKV_BROWSER: browser } : {},
);
if (!browser) {
  console.log(
    "\n!! Browser tests were SKIPPED: no Chrome, Chromium or Edge was found. Install one, or set QKV_BROWSER to its path, and run again.",
  );
}
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(", ")}`);
  process.exit(1);
}
