/** @file `npm start`: the explorer on the bundled model. Takes the arguments of `qkv explore`. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { buildIfNeeded, installPackages, requireNode, root } from "./shared/prepare.mjs";

requireNode();
installPackages();
buildIfNeeded();

const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), "explore", ...process.argv.slice(2)], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 0 : (code ?? 0)));
