/** @file `npm run train:bundled`: trains the model that comes with qkv, from the texts to models/bundled. Takes the options of `qkv train`. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { buildIfNeeded, installPackages, requireNode, root } from "./shared/prepare.mjs";

requireNode();
installPackages();
buildIfNeeded();

const main = join(root, "dist/cli/main.js");
const child = spawn(process.execPath, [main, "train", "--task", "bundled", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
